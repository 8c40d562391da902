"""The portable step through TVM's own default pipeline and its virtual machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.evaluation.baselines.baseline import Baseline, Workload
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import export
from delrec_compile.network.state import past


class TvmDefault(Baseline):
    """One call of the virtual machine per step."""

    name = "tvm_default"
    form = "the exported step, default pipeline"

    def __init__(self, network: Network, work: Workload) -> None:
        import tvm
        from tvm import relax
        from tvm.relax.frontend.onnx import from_onnx

        model = export(network)
        shapes = {
            v.name: [work.batch, *(d.dim_value for d in v.type.tensor_type.shape.dim[1:])]
            for v in model.graph.input
        }
        module = from_onnx(model, shape_dict=shapes, keep_params_in_input=False)
        cpu = str(tvm.target.codegen.llvm_get_system_cpu())
        built = tvm.compile(module, target=tvm.target.Target({"kind": "llvm", "mcpu": cpu}))
        self.step = relax.VirtualMachine(built, tvm.cpu())["main"]
        self.tensor: Callable[[F32], Any] = tvm.runtime.tensor
        self.fresh = [
            self.tensor(np.zeros(shapes[past(s.name)], np.float32)) for s in network.state()
        ]
        self.x: list[Any] = []
        self.y: list[Any] = []

    def take(self, x: F32) -> None:
        self.x = [self.tensor(np.ascontiguousarray(row)) for row in x]

    def run(self) -> None:
        state, ys = self.fresh, []
        for x in self.x:
            y, *state = self.step(x, *state)
            ys.append(y)
        self.y = ys

    def read(self) -> F32:
        return np.stack([y.numpy() for y in self.y])


def tvm_default(network: Network, work: Workload) -> list[Baseline]:
    """The form of `tvm_default`."""
    return [TvmDefault(network, work)]
