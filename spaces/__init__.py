"""What may be searched: a model's layers, masks, calibration choices, candidates. Imports nothing above it."""
