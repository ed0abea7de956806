"""Running a study: what its trials share, the baselines, the worker's loop."""
