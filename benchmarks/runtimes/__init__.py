"""Exported steps in every runtime that takes ONNX: whether each opens, runs and gives the same bits."""
