"""A live torch model: how it is run from a fresh state, and the spikes of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError


@dataclass(frozen=True, eq=False)
class Live:
    """A model and how to run it.

    whole: it takes all steps at once, (T, batch, ...). reset: gives it a fresh state. stateful: it
    takes a state beside its input and returns the next one.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    reset: Callable[[], None]
    whole: bool = False
    stateful: bool = False

    def run(self, x: Tensor) -> list[Any]:
        """x: (T, batch, inputs). Returns what each call of the model returned."""
        x = x.reshape(*x.shape[:2], *self.shape)
        self.reset()
        with evaluated(self.module):
            if self.whole:
                return [self.module(x)]
            if not self.stateful:
                return [self.module(row) for row in x]
            out, state = [], None
            for row in x:
                y, state = self.module(row, state)
                out.append(y)
            return out


@dataclass(frozen=True, eq=False)
class Watched:
    """A live model whose spiking layers are listened to."""

    live: Live
    neurons: tuple[nn.Module, ...]

    @property
    def name(self) -> str:
        return self.live.name

    def spikes(self, x: F32) -> list[F32]:
        """x: (T, batch, inputs). Returns the spikes (T, batch, N) of each spiking layer."""
        heard: list[list[Tensor]] = [[] for _ in self.neurons]
        handles = [
            module.register_forward_hook(lambda _m, _x, y, kept=kept: kept.append(first(y)))
            for module, kept in zip(self.neurons, heard, strict=True)
        ]
        try:
            self.live.run(torch.from_numpy(np.ascontiguousarray(x)))
        except Exception as error:
            raise UnsupportedError(
                f"the model takes one input of one step but not {list(x.shape[:2])} steps of a batch "
                f"({error}); networks take each sequence of a batch alone"
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        return [_over_time(kept, len(x), x.shape[1]) for kept in heard]


def first(value: Any) -> Tensor:
    """The tensor, or the first one of several: the spikes of a neuron that gives a state too."""
    while isinstance(value, tuple | list):
        value = value[0]
    assert isinstance(value, Tensor)
    return value


@contextmanager
def evaluated(module: nn.Module) -> Iterator[None]:
    """The module as it infers, without gradients; afterwards as it was."""
    modes = {m: m.training for m in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for m, mode in modes.items():
            m.training = mode


def _over_time(kept: list[Tensor], steps: int, batch: int) -> F32:
    """(T, batch, N) from one tensor a step, or one of all steps."""
    joined = torch.stack(kept) if len(kept) > 1 or steps == 1 else kept[0]
    return np.asarray(joined.detach().float().reshape(steps, batch, -1).numpy())
