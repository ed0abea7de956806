"""What a candidate scores: calibrate, quantize, build an engine, time it, evaluate it."""
