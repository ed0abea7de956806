"""What every kind of engine keeps: tried by `tests/contracts/engines.py`, and anywhere by `doctor --self-test`."""
