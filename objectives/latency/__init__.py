"""How long an engine takes, against the reference in the same breath."""
