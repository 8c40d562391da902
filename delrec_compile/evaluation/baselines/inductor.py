"""torch.compile and AOTInductor: the network fused by PyTorch's own compiler."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from delrec_compile.aliases import F32
from delrec_compile.errors import ToolchainError
from delrec_compile.evaluation.baselines.baseline import Baseline, Workload
from delrec_compile.evaluation.baselines.eager import WIDE
from delrec_compile.evaluation.baselines.functional import (
    Block,
    Front,
    PackedLayer,
    PackedReadout,
    PackedStep,
    fresh,
    rows,
)
from delrec_compile.network.model import Network
from delrec_compile.system.folders import work_folder

BLOCK = 20  # steps that are compiled as one: more would compile for minutes
OPTIONS: dict[str, Any] = {"freezing": True, "max_autotune": True}
Call = Callable[..., Any]
Compile = Callable[[nn.Module, tuple[Tensor, ...]], Call]


class CompiledStep(Baseline):
    """One call per step."""

    def __init__(self, name: str, network: Network, work: Workload, compiled: Compile) -> None:
        self.name, self.form = name, "the step, arrivals packed"
        self.fresh = fresh(network, work.batch)
        example = torch.zeros(work.batch, network.inputs)
        self.step = compiled(PackedStep(network).eval(), (example, *self.fresh))
        self.x = self.y = torch.empty(0)

    def take(self, x: F32) -> None:
        self.x = rows(x)

    @torch.inference_mode()
    def run(self) -> None:
        state, ys = list(self.fresh), []
        for x in self.x:
            state = self.step(x, *state)
            ys.append(state[0])
        self.y = torch.stack(ys)

    def read(self) -> F32:
        return self.y.numpy()


class CompiledSequence(Baseline):
    """Products over time; plain layers whole, layers with recurrence in blocks of steps."""

    def __init__(self, name: str, network: Network, work: Workload, compiled: Compile) -> None:
        self.name, self.form = name, f"products over time, blocks of {BLOCK} steps"
        self.parts: list[tuple[Call, Call | None, int]] = []
        self.batch, self.block = work.batch, BLOCK if work.steps % BLOCK == 0 else 1
        x, plain = torch.zeros(work.steps, work.batch, network.inputs), list[PackedLayer]()
        for layer in network.layers:
            packed = PackedLayer(layer)
            if layer.recurrence is None:
                plain.append(packed)
                continue
            front = compiled(Front(plain, packed).eval(), (x,))
            state = self._fresh(layer.size)
            currents = torch.zeros(self.block, work.batch, layer.size)
            block = compiled(Block(packed).eval(), (currents, *state))
            self.parts.append((front, block, layer.size))
            x, plain = torch.zeros(work.steps, work.batch, layer.size), []
        last = Front(plain, PackedReadout(network.readout, work.steps))
        self.parts.append((compiled(last.eval(), (x,)), None, 0))
        self.x = self.y = torch.empty(0)

    def _fresh(self, n: int) -> tuple[Tensor, Tensor]:
        return torch.zeros(self.batch, n), torch.zeros(self.batch, n, dtype=torch.int64)

    def take(self, x: F32) -> None:
        self.x = rows(x)

    @torch.inference_mode()
    def run(self) -> None:
        x = self.x
        for front, block, size in self.parts:
            (x,) = front(x)
            if block is None:
                continue
            v, due = self._fresh(size)
            fired = []
            for currents in x.split(self.block):
                spikes, v, due = block(currents, v, due)
                fired.append(spikes)
            x = torch.cat(fired)
        self.y = x

    def read(self) -> F32:
        return self.y.numpy()


def torch_compile(network: Network, work: Workload) -> list[Baseline]:
    """The form of `torch_compile` for the workload."""

    def compiled(module: nn.Module, example: tuple[Tensor, ...]) -> Call:
        call: Call = torch.compile(module, dynamic=False, fullgraph=True, options=OPTIONS)
        with torch.inference_mode(), _quiet():
            one = isinstance(call(*example), Tensor)
        return (lambda *x: (call(*x),)) if one else call

    return [_baseline("torch_compile", network, work, compiled)]


def aot_inductor(network: Network, work: Workload) -> list[Baseline]:
    """The form of `aot_inductor` for the workload; called below Python's argument handling."""

    def compiled(module: nn.Module, example: tuple[Tensor, ...]) -> Call:
        from torch import _inductor

        with _quiet(), work_folder() as folder, torch.no_grad():
            program = torch.export.export(module, example)
            path = _inductor.aoti_compile_and_package(
                program, package_path=str(folder / "m.pt2"), inductor_configs=OPTIONS
            )
            run = _inductor.aoti_load_package(path, run_single_threaded=True).loader.run
        return lambda *x: run(list(x))

    return [_baseline("aot_inductor", network, work, compiled)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of what the compiler itself calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _baseline(name: str, network: Network, work: Workload, compiled: Compile) -> Baseline:
    if not any(shutil.which(c) for c in ("g++", "clang++", "c++")):
        raise ToolchainError("a C++ compiler is required: apt-get install g++")
    kind = CompiledSequence if work.hoists and work.batch < WIDE else CompiledStep
    return kind(name, network, work, compiled)
