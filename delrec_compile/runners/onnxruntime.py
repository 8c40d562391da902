"""ONNX Runtime as a runner of the portable step."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import ModelError
from delrec_compile.network.onnx_step.schema import StepModel
from delrec_compile.network.state import past, present
from delrec_compile.runners.runner import Trace

CALL_LIMIT_S = 60.0  # of a call of a graph with loops


class OnnxRunner:
    """A portable step in ONNX Runtime, one thread."""

    name = "onnxruntime"

    def __init__(self, model: StepModel) -> None:
        import onnx
        from onnx import TensorProto, helper

        from delrec_compile.network.onnx_step.file import may_not_end

        self.model = replace(model, proto=_ports(model.proto))
        proto = onnx.ModelProto()
        proto.CopyFrom(model.proto)
        outputs = {name for node in proto.graph.node for name in node.output}
        prefixes = [""] if model.unroll == 1 else [f"t{k}_" for k in range(model.unroll)]
        self.spike_names = [
            [f"{p}{name}_spikes" for p in prefixes] for name in _populations(model, outputs)
        ]
        for row in self.spike_names:
            proto.graph.output.extend(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in row
            )
        self.session = onnx_session(proto.SerializeToString())
        self.endless = may_not_end(proto)
        self.outputs = [o.name for o in self.session.get_outputs()]

    def trace(self, x: F32) -> Trace:
        fixed = self.model.batch
        if fixed is None or fixed == x.shape[1]:
            return self._trace(x)
        rows = np.concatenate([x, np.zeros((len(x), -x.shape[1] % fixed, x.shape[2]), x.dtype)], 1)
        parts = [self._trace(rows[:, b : b + fixed]) for b in range(0, rows.shape[1], fixed)]
        y, *spikes = (
            np.concatenate(arrays, axis=1)[:, : x.shape[1]]
            for arrays in zip(*((p.y, *p.spikes) for p in parts), strict=True)
        )
        return Trace(y, tuple(spikes))

    def _trace(self, x: F32) -> Trace:
        unroll, batch = self.model.unroll, x.shape[1]
        padded = np.concatenate([x, np.zeros((-len(x) % unroll, *x.shape[1:]), np.float32)])
        state = {past(s.name): np.zeros((batch, *s.shape), np.float32) for s in self.model.state}
        ys: list[F32] = []
        spikes: list[list[NDArray[np.uint8]]] = [[] for _ in self.spike_names]
        for t in range(0, len(padded), unroll):
            feed = {"x": padded[t] if unroll == 1 else padded[t : t + unroll], **state}
            values = run_step(self.session, None, feed, self.endless)
            result = dict(zip(self.outputs, values, strict=True))
            state = {past(s.name): result[present(s.name)] for s in self.model.state}
            ys.extend([result["y"]] if unroll == 1 else result["y"])
            for steps_of, names in zip(spikes, self.spike_names, strict=True):
                steps_of.extend(result[name].astype(np.uint8) for name in names)
        steps = len(x)
        fired = tuple(np.stack(s[:steps]) for s in spikes)
        return Trace(np.stack(ys[:steps]), fired)


def onnx_session(model: bytes, *, as_written: bool = False) -> Any:
    """ONNX Runtime on one thread, without spinning.

    as_written: without the rewrites that round 8-bit graphs elsewhere than they say.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if as_written:
        level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with _refusing():
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@contextmanager
def _refusing() -> Iterator[None]:
    """Raises ModelError for what ONNX Runtime refuses."""
    try:
        yield
    except Exception as error:  # its kinds have no base of their own
        why = " ".join(str(error).split())[:200]
        raise ModelError(
            f"ONNX Runtime refuses the graph ({why}); export it again, and try it there first"
        ) from error


def run_step(
    session: Any, names: Sequence[str] | None, feed: Mapping[str, Any], endless: bool
) -> Any:
    """The results of one call. endless: the graph has loops, so that it is ended after CALL_LIMIT_S.

    Raises ModelError.
    """
    if not endless:
        with _refusing():
            return session.run(names, feed)
    import onnxruntime

    options = onnxruntime.RunOptions()
    watch = threading.Timer(CALL_LIMIT_S, setattr, (options, "terminate", True))
    watch.start()
    try:
        with _refusing():
            return session.run(names, feed, options)
    except ModelError as error:
        if not options.terminate:
            raise
        raise ModelError(
            f"a step of the graph took more than {CALL_LIMIT_S:g} s and was ended: its loop has no end"
        ) from error
    finally:
        watch.cancel()


def _ports(proto: Any) -> Any:
    """The inputs and outputs of a model, without its weights, which a session holds."""
    import onnx

    out = onnx.ModelProto()
    out.graph.input.extend(proto.graph.input)
    out.graph.output.extend(proto.graph.output)
    return out


def _populations(model: StepModel, outputs: set[str]) -> list[str]:
    """Names of the populations that fire, whose spikes are values of the graph."""
    named = model.populations
    if not named:
        t = "" if model.unroll == 1 else "t0_"
        named = [f"l{i}" for i in range(len(outputs)) if f"{t}l{i}_spikes" in outputs]
    return named
