"""What a study found: points and their figures that count, the front, and whether it keeps what was promised."""
