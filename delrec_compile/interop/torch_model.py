"""A torch model that runs from a fresh state, and the spikes of its layers."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError


@dataclass(frozen=True, eq=False)
class TorchModel:
    """A torch model and how to run it.

    shape: of one input of one step. reset: gives the model a fresh state. takes_sequences: it takes
    all steps at once, (T, batch, ...). stateful: it takes a state beside its input and returns the
    next one. dtype: of its weights. still: steps that it makes of one input by itself; 1: it takes each.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    reset: Callable[[], None]
    takes_sequences: bool = False
    stateful: bool = False
    dtype: torch.dtype = torch.float32
    still: int = 1

    def run(self, x: Tensor) -> list[Any]:
        """Outputs of each call of the model on x (T, batch, inputs)."""
        x = x.reshape(*x.shape[:2], *self.shape).to(self.dtype)
        self.reset()
        with evaluated(self.module), uncompiled():
            if self.still > 1:
                return [self.module(x[0])]
            if self.takes_sequences:
                return [self.module(x)]
            if not self.stateful:
                return [self.module(row) for row in x]
            out, state = [], None
            for row in x:
                y, state = self.module(row, state)
                out.append(y)
            return out


@dataclass(frozen=True, eq=False)
class Pooled:
    """Spikes that a function pools. behind: place of the layer that fired them. shape: of theirs."""

    module: nn.Module
    behind: int
    shape: tuple[int, ...]

    def spikes(self, fired: F32) -> F32:
        """fired: (T, batch, N) of that layer."""
        steps, batch = fired.shape[:2]
        with torch.no_grad():
            y = self.module(torch.from_numpy(fired).reshape(steps * batch, *self.shape))
        return np.asarray(y.reshape(steps, batch, -1).numpy())


@dataclass(frozen=True, eq=False)
class WatchedModel:
    """A model whose spikes are recorded. neurons: its spiking layers, in order."""

    model: TorchModel
    neurons: tuple[nn.Module | Pooled, ...]

    @property
    def name(self) -> str:
        return self.model.name

    def spikes(self, x: F32) -> list[F32]:
        """Spikes (T, batch, N) of each layer on x (T, batch, inputs). Raises UnsupportedError."""
        still = self.model.still
        if still > 1 and (len(x) != still or (x != x[:1]).any()):
            raise UnsupportedError(
                f"the model makes {still} steps of one input by itself; samples of {still} equal steps "
                "are required to compare with it"
            )
        modules = [m for m in self.neurons if isinstance(m, nn.Module)]
        recorded: list[list[Tensor]] = [[] for _ in modules]
        handles = [
            module.register_forward_hook(
                lambda _m, _x, y, calls=calls: calls.append(first(y).detach().clone())
            )
            for module, calls in zip(modules, recorded, strict=True)
        ]
        try:
            self.model.run(torch.from_numpy(np.ascontiguousarray(x)))
        except Exception as error:
            raise UnsupportedError(
                f"the model runs on one input of one step but not on {list(x.shape[:2])} steps of a "
                f"batch ({error}); networks run each sequence of a batch on its own"
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        calls, out = iter(recorded), list[F32]()
        for own in self.neurons:
            if isinstance(own, Pooled):
                out.append(own.spikes(out[own.behind]))
            else:
                out.append(_over_time(next(calls), *x.shape[:2]))
        return out


def in_a_usable_type(
    module: nn.Module, shape: tuple[int, ...], **how: bool
) -> tuple[nn.Module, torch.dtype, tuple[str, ...]]:
    """The module or a copy that runs here, the type of its weights, and remarks.

    float64 stays if the model runs in it; other types become float32 in a copy, on the CPU. shape, how:
    of `TorchModel`. Raises UnsupportedError.
    """
    held = [*module.parameters(), *module.buffers()]
    here = all(p.device.type == "cpu" for p in held)
    types = {p.dtype for p in module.parameters() if p.is_floating_point()}
    if here and types <= {torch.float32}:
        return module, torch.float32, ()
    if here and types == {torch.float64} and _runs_in_float64(module, shape, how):
        text = "the model is in float64 and is compared in it; the network is in float32"
        return module, torch.float64, (text,)
    named = ", ".join(sorted(str(t).removeprefix("torch.") for t in types))
    if not here:
        named += f" on {', '.join(sorted({str(p.device) for p in held}))}"
    try:
        copied = _copy(module).float().cpu()
    except Exception as error:
        raise UnsupportedError(
            f"the model is in {named} and cannot be copied ({error}); give model.float().cpu()"
        ) from error
    text = f"the model is in {named}; it was copied to float32, in which it is compared"
    return copied, torch.float32, (text,)


def _copy(module: nn.Module) -> nn.Module:
    """A copy; what was computed from parameters, as by hooks that norm or prune, is copied without its
    gradient, which copies have not."""
    memo = {}
    for m in module.modules():
        for value in (*vars(m).values(), *m.buffers(recurse=False)):
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(module, memo)


def _runs_in_float64(module: nn.Module, shape: tuple[int, ...], how: dict[str, bool]) -> bool:
    """Whether a step runs: neurons of some frameworks answer in float32."""
    model = TorchModel("a model", module, shape, lambda: None, dtype=torch.float64, **how)
    try:
        model.run(torch.zeros(1, 1, int(np.prod(shape))))
    except (RuntimeError, ValueError, TypeError):
        return False
    return True


def uncompiled() -> AbstractContextManager[None]:
    """Runs what `torch.compile` made without compiling. Its package takes seconds to import: if nobody
    did, nothing is compiled."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance


def first(value: Any) -> Tensor:
    """The tensor, or the first of several: the spikes of a neuron that returns its state too."""
    while isinstance(value, tuple | list):
        value = value[0]
    assert isinstance(value, Tensor)
    return value


@contextmanager
def evaluated(module: nn.Module) -> Iterator[None]:
    """Puts the module into evaluation mode, without gradients, and restores its modes afterwards."""
    modes = {m: m.training for m in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for m, mode in modes.items():
            m.training = mode


def _over_time(calls: list[Tensor], steps: int, batch: int) -> F32:
    """Spikes (T, batch, N) from a tensor per step, or one of all steps."""
    joined = torch.stack(calls) if len(calls) > 1 or steps == 1 else calls[0]
    return np.asarray(joined.detach().float().reshape(steps, batch, -1).numpy())
