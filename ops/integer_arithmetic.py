"""The operations that steps of integer neurons are written in: on NumPy arrays, and on lanes in TIR.

Sums of a state that no run makes, of damaged memory, wrap around in TIR: nothing is undefined.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.ops.integer_leak import LIMIT, emit_leak, leak

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter


class Arithmetic(ABC):
    """Operations on values of neurons: arrays (batch, N), or blocks of lanes."""

    @abstractmethod
    def add(self, a: Any, b: Any) -> Any: ...
    @abstractmethod
    def less(self, a: Any, b: Any) -> Any:
        """a - b."""

    @abstractmethod
    def leak(self, v: Any, share: Any) -> Any: ...
    @abstractmethod
    def where(self, condition: Any, yes: Any, no: Any) -> Any: ...
    @abstractmethod
    def reaches(self, a: Any, b: Any) -> Any:
        """a >= b."""

    @abstractmethod
    def both(self, a: Any, b: Any) -> Any: ...
    @abstractmethod
    def within(self, v: Any, limit: int) -> Any:
        """v, held between -limit and limit - 1."""

    @abstractmethod
    def number(self, value: int) -> Any: ...
    @abstractmethod
    def down(self, v: Any) -> Any:
        """v - 1, of v above 0."""

    @abstractmethod
    def shifted(self, v: Any, places: int) -> Any:
        """v * 2^places, which fits."""

    @abstractmethod
    def keep(self, v: Any) -> Any:
        """The value, computed once."""

    def clamp(self, v: Any) -> Any:
        """v, within the range of a state variable."""
        return self.within(v, LIMIT)

    def times(self, v: Any, factor: Any, places: int) -> Any:
        """v * factor / 2^(15 - places), held within 2^30. factor: at most 2^15 in size."""
        return self.shifted(self.within(self.leak(v, factor), LIMIT >> places), places)


class Arrays(Arithmetic):
    """On int64, where nothing wraps around."""

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def less(self, a: Any, b: Any) -> Any:
        return a - b

    def leak(self, v: Any, share: Any) -> Any:
        return leak(v, share)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        return np.where(condition, yes, no)

    def reaches(self, a: Any, b: Any) -> Any:
        return a >= b

    def both(self, a: Any, b: Any) -> Any:
        return a & b

    def within(self, v: Any, limit: int) -> Any:
        return np.clip(v, -limit, limit - 1)

    def number(self, value: int) -> Any:
        return value

    def down(self, v: Any) -> Any:
        return v - 1

    def shifted(self, v: Any, places: int) -> Any:
        return v << places

    def keep(self, v: Any) -> Any:
        return v


@dataclass(frozen=True)
class Lanes(Arithmetic):
    """On blocks of int32 lanes in TIR.

    Sums are kept: TVM takes one that wraps around for a number that is not negative, and would drop the
    lower end of a clamp of it.
    """

    e: Emitter
    lanes: int

    def add(self, a: Any, b: Any) -> Any:
        return self.keep(self.e.wrapping(a, b, self.lanes))

    def less(self, a: Any, b: Any) -> Any:
        return self.keep(self.e.wrapping(a, b, self.lanes, -1))

    def leak(self, v: Any, share: Any) -> Any:
        return emit_leak(self.e, share, v, self.lanes)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        return self.e.T.Select(condition, yes, no)

    def reaches(self, a: Any, b: Any) -> Any:
        return a >= b

    def both(self, a: Any, b: Any) -> Any:
        return self.e.T.And(a, b)

    def within(self, v: Any, limit: int) -> Any:
        T = self.e.T
        return T.min(T.max(v, self.number(-limit)), self.number(limit - 1))

    def number(self, value: int) -> Any:
        return self.e.splat(self.e.T.int32(value), self.lanes)

    def down(self, v: Any) -> Any:
        return self.e.T.max(v, self.number(1)) - self.number(1)  # TVM folds a wrapping one wrongly

    def shifted(self, v: Any, places: int) -> Any:
        return v * self.number(1 << places) if places else v

    def keep(self, v: Any) -> Any:
        return self.e.load(self.e.register(self.lanes, v, "int32"), 0, self.lanes)
