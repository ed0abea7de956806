"""The engine contract of `tests/contracts/engines.py`, tried on a user's own device: no pytest, no checkout."""
