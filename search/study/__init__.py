"""A study as it is stored: opened, read, written to; its trials as people see them."""
