"""The study file: its keys, their types and defaults, and how it is read."""
