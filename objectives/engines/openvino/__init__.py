"""OpenVINO: all that knows this library."""
