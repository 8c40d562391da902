"""The frozen network in every form it has before compiling.

May import: data and below.
Start reading at: `model.py`.
Public: `model.Network`, `model.Layer`, `grid.snap`, `checkpoint.load`, `checkpoint.save`,
    `integer.quantise.quantise`, `torch_step.Step`, `onnx_step.export.export`.
"""
