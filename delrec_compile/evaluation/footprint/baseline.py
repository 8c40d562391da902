"""A baseline of the bare C program, in a process of its own: the same counts in, the same answers out.

It imports what its engine needs and no more. The first answer is the size of its state; then each
row of counts is answered with the membranes of the readout.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.system import tvm_loader

Step = Callable[[F32, list[Any]], tuple[F32, list[Any]]]


def main(engine: str, source: str, inputs: int) -> None:
    """Serves `source` on standard input and output, one stream, one thread."""
    os.environ["OMP_NUM_THREADS"] = os.environ["TVM_NUM_THREADS"] = "1"
    # what an engine prints must not stand among the answers
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    step, state = ENGINES[engine](Path(source))
    size = sum(int(np.prod(s.shape)) * 4 for s in state)
    answers.write(size.to_bytes(4, "little"))
    while len(raw := sys.stdin.buffer.read(inputs * 4)) == inputs * 4:
        y, state = step(np.frombuffer(raw, np.float32)[None], state)
        answers.write(np.ascontiguousarray(y).tobytes())


def _onnxruntime(model: Path) -> tuple[Step, list[Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    past = session.get_inputs()[1:]

    def step(x: F32, state: list[Any]) -> tuple[F32, list[Any]]:
        feed = dict(zip([p.name for p in past], state, strict=True))
        y, *state = session.run(None, {"x": x, **feed})
        return y, state

    return step, [np.zeros((1, *p.shape[1:]), np.float32) for p in past]


def _torch_eager(network: Path) -> tuple[Step, list[Any]]:
    import torch

    from delrec_compile.network import checkpoint
    from delrec_compile.network import torch_step as steps

    torch.set_num_threads(1)
    module = steps.Step(checkpoint.load(network))

    @torch.inference_mode()
    def step(x: F32, state: list[Any]) -> tuple[F32, list[Any]]:
        y, *state = module(torch.from_numpy(x.copy()), *state)
        return y.numpy(), state

    return step, list(module.reset())


def _tvm_default(library: Path) -> tuple[Step, list[Any]]:
    tvm_loader.load()
    import tvm
    from tvm import relax

    machine = relax.VirtualMachine(tvm.runtime.load_module(str(library)), tvm.cpu())
    shapes = json.loads(library.with_suffix(".json").read_text())

    def step(x: F32, state: list[Any]) -> tuple[F32, list[Any]]:
        y, *state = machine["main"](tvm.runtime.tensor(x), *state)
        return y.numpy(), state

    return step, [tvm.runtime.tensor(np.zeros(shape, np.float32)) for shape in shapes]


def compile_tvm(model: str, library: str) -> None:
    """In a child: the ONNX step through TVM's own default pipeline, as a library, and its state."""
    tvm_loader.load()
    import onnx
    import tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    proto = onnx.load(model)
    shapes = {
        v.name: [1, *(d.dim_value for d in v.type.tensor_type.shape.dim[1:])]
        for v in proto.graph.input
    }
    module = from_onnx(proto, shape_dict=shapes, keep_params_in_input=False)
    cpu = str(tvm.target.codegen.llvm_get_system_cpu())
    built = relax.build(module, target=tvm.target.Target({"kind": "llvm", "mcpu": cpu}))
    built.export_library(library)
    past = [shape for name, shape in shapes.items() if name != "x"]
    Path(library).with_suffix(".json").write_text(json.dumps(past))


ENGINES: dict[str, Callable[[Path], tuple[Step, list[Any]]]] = {
    "onnxruntime": _onnxruntime,
    "torch_eager": _torch_eager,
    "tvm_default": _tvm_default,
}
