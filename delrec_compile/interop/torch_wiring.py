"""What each module of a torch model takes: an output sent before, a sum of several, or one repeated.

The outputs are random numbers, each sent once, so that equal values are the same value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import torch
from torch import Tensor

from delrec_compile.network.model import INPUT

LATEST = 24  # outputs of one size that a sum is looked for in
TERMS = 3  # of a sum
SAME = 1e-6  # relative error of a sum


@dataclass(frozen=True)
class Source:
    """names: of the units whose outputs add up, or INPUT. turns: which of their runs.

    times: how often the value stands one after another.
    """

    names: tuple[str, ...]
    turns: tuple[int, ...]
    times: int = 1


@dataclass(frozen=True, eq=False)
class Sent:
    """An output. tensor: what the model holds. values: a copy, flat."""

    name: str
    turn: int
    tensor: Tensor
    values: Tensor


@dataclass(eq=False)
class Wiring:
    """All that was sent, the input first."""

    sent: list[Sent] = field(default_factory=list)

    def send(self, name: str, tensor: Tensor) -> None:
        """Notes an output of a unit, or the input."""
        turn = sum(s.name == name for s in self.sent)
        self.sent.append(Sent(name, turn, tensor, tensor.detach().clone().reshape(-1)))

    def of(self, x: object) -> Source | None:
        """Where the value comes from; None if something else was computed."""
        if not isinstance(x, Tensor) or not x.numel():
            return None
        flat = x.detach().reshape(-1)
        return self._one(x, flat) or self._sum(flat) or self._repeated(flat)

    def _one(self, x: Tensor, flat: Tensor) -> Source | None:
        at = x.untyped_storage().data_ptr()
        for s in reversed(self.sent):
            is_here = s.tensor.untyped_storage().data_ptr() == at
            if (is_here or s.name != INPUT) and _equal(s.values, flat):
                return Source((s.name,), (s.turn,))
        return None

    def _sum(self, flat: Tensor) -> Source | None:
        own = [s for s in self.sent if s.name != INPUT and s.values.numel() == flat.numel()]
        for terms in _sums(own[-LATEST:], flat):
            return Source(tuple(s.name for s in terms), tuple(s.turn for s in terms))
        return None

    def _repeated(self, flat: Tensor) -> Source | None:
        for s in reversed(self.sent):
            times, rest = divmod(flat.numel(), s.values.numel())
            if times > 1 and not rest and _equal(s.values.repeat(times), flat):
                return Source((s.name,), (s.turn,), times)
        return None


def _equal(values: Tensor, flat: Tensor) -> bool:
    return (
        values.numel() == flat.numel() and values.dtype == flat.dtype and torch.equal(values, flat)
    )


def _sums(own: Sequence[Sent], flat: Tensor) -> Iterator[tuple[Sent, ...]]:
    """Yields the outputs that add up to a value."""
    first = [float(s.values[0]) for s in own]
    target = float(flat[0])
    for n in range(2, TERMS + 1):
        for terms in combinations(range(len(own)), n):
            if len({own[k].name for k in terms}) < n:
                continue  # runs of one unit, such as a sum over time
            values = [first[k] for k in terms]
            if abs(sum(values) - target) > SAME * (abs(target) + sum(map(abs, values))):
                continue
            chosen = [own[k] for k in terms]
            total = torch.stack([s.values for s in chosen])
            room = SAME * (total.abs().sum(0) + flat.abs())
            if bool(((total.sum(0) - flat).abs() <= room).all()):
                yield tuple(chosen)
