"""From a float ONNX model to a quantized one: calibration, and the mask applied."""
