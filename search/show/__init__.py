"""Showing a study: tables and progress in a terminal, plots."""
