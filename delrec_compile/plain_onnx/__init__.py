"""Any ONNX step whose state is paired as `past_<name>` and `present_<name>`: the slower lane.

Graphs of this project are known op by op and compile to event-driven code. Any other graph goes through
TVM's own fused kernels, which compute every value at every step, and is checked against ONNX Runtime.

May import: compiler, runners, training and below.
Start reading at: `build.py`.
Public: `build.build_plain`, `session.PlainSession`.
"""
