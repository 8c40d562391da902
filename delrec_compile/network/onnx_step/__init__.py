"""The step of a network as an ONNX graph with explicit state."""
