"""What a network computes: one file per op, with its formula, plain reference, torch form, ONNX
function and TIR form. See README.md for how to add one."""
