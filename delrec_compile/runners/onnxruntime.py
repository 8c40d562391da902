"""ONNX Runtime as a runner of the portable step."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.network.onnx_step.schema import StepModel
from delrec_compile.network.state import past, present
from delrec_compile.runners.runner import Trace


class OnnxRunner:
    """A portable step in ONNX Runtime, one thread."""

    name = "onnxruntime"

    def __init__(self, model: StepModel) -> None:
        import onnx
        from onnx import TensorProto, helper

        self.model = model
        proto = onnx.ModelProto()
        proto.CopyFrom(model.proto)
        outputs = {name for node in proto.graph.node for name in node.output}
        prefixes = [""] if model.unroll == 1 else [f"t{k}_" for k in range(model.unroll)]
        self.spike_names: list[list[str]] = []
        while f"{prefixes[0]}l{len(self.spike_names)}_spikes" in outputs:
            row = [f"{p}l{len(self.spike_names)}_spikes" for p in prefixes]
            self.spike_names.append(row)
            proto.graph.output.extend(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in row
            )
        self.session = onnx_session(proto.SerializeToString())
        self.outputs = [o.name for o in self.session.get_outputs()]

    def trace(self, x: F32) -> Trace:
        unroll, batch = self.model.unroll, x.shape[1]
        padded = np.concatenate([x, np.zeros((-len(x) % unroll, *x.shape[1:]), np.float32)])
        state = {past(s.name): np.zeros((batch, *s.shape), np.float32) for s in self.model.state}
        ys: list[F32] = []
        spikes: list[list[F32]] = [[] for _ in self.spike_names]
        for t in range(0, len(padded), unroll):
            feed = {"x": padded[t] if unroll == 1 else padded[t : t + unroll], **state}
            result = dict(zip(self.outputs, self.session.run(None, feed), strict=True))
            state = {past(s.name): result[present(s.name)] for s in self.model.state}
            ys.extend([result["y"]] if unroll == 1 else result["y"])
            for steps_of, names in zip(spikes, self.spike_names, strict=True):
                steps_of.extend(result[name] for name in names)
        steps = len(x)
        fired = tuple(np.stack(s[:steps]).astype(np.uint8) for s in spikes)
        return Trace(np.stack(ys[:steps]), fired)


def onnx_session(model: bytes) -> Any:
    """ONNX Runtime on one thread, without spinning."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
