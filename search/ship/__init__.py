"""Shipping: which engine to choose, and the folder that it is handed over in."""
