"""A baseline of the bare C program, in a process of its own: counts in, membranes out.

It imports what its engine needs and no more: each engine is a function of its name. The first output
is the size of its state; then each row of counts gives the membranes of the readout.
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
    """Runs the engine on standard input and output, one stream, one thread. source: its network."""
    os.environ["OMP_NUM_THREADS"] = os.environ["TVM_NUM_THREADS"] = "1"
    # text that an engine prints must not mix with the outputs
    outputs = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    step, state = globals()[engine](Path(source))
    size = sum(int(np.prod(s.shape)) * 4 for s in state)
    outputs.write(size.to_bytes(4, "little"))
    while len(raw := sys.stdin.buffer.read(inputs * 4)) == inputs * 4:
        y, state = step(np.frombuffer(raw, np.float32)[None], state)
        outputs.write(np.ascontiguousarray(y).tobytes())


def onnxruntime(model: Path) -> tuple[Step, list[Any]]:
    """The exported step, in one session."""
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    past = session.get_inputs()[1:]

    def step(x: F32, state: list[Any]) -> tuple[F32, list[Any]]:
        feed = dict(zip([p.name for p in past], state, strict=True))
        y, *state = session.run(None, {"x": x, **feed})
        return y, state

    return step, [np.zeros((1, *p.shape[1:]), np.float32) for p in past]


def torch_eager(network: Path) -> tuple[Step, list[Any]]:
    """The step that parity is measured against."""
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


def tvm_default(library: Path) -> tuple[Step, list[Any]]:
    """The library of `compile_tvm` in TVM's virtual machine."""
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
