"""Shared parts of the float32 and the integer form of a network."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.network.graph import Graph
from delrec_compile.network.graph import pushed as pushed
from delrec_compile.network.state import State as State
from delrec_compile.ops.real_input import RealInput

UNNAMED = "network"  # a network without a name of its own takes that of its file
MAX_INPUT = 255  # the self-test of an artifact holds its counts in bytes


class Sized(Protocol):
    """A layer, a population or a readout: its neurons."""

    @property
    def size(self) -> int: ...


L = TypeVar("L", bound=Sized)
R = TypeVar("R", bound=Sized)


@dataclass(frozen=True, eq=False)
class BaseNetwork(Graph, ABC, Generic[L, R]):
    """dt_ms: length of a step. max_input: largest input count, 1 to MAX_INPUT; of real inputs the
    largest size, see `RealInput`. labels: class names, or empty. notes: free text and numbers (command,
    data hash, accuracy), JSON-ready. input_bits: of the fraction of real inputs; None: they are counts.

    membrane_dtype, spike_dtype: of the state in the reference. Raises NetworkError.
    """

    layers: tuple[L, ...]
    readout: R
    dt_ms: float = 10.0
    max_input: float = 31
    labels: tuple[str, ...] = ()
    name: str = UNNAMED
    notes: Mapping[str, Any] = field(default_factory=dict)
    input_bits: int | None = None

    membrane_dtype: ClassVar[str] = "float32"
    spike_dtype: ClassVar[str] = "float32"

    def __post_init__(self) -> None:
        self._check_parts()
        object.__setattr__(self, "dt_ms", _number("dt_ms", self.dt_ms))
        if not (np.isfinite(self.dt_ms) and self.dt_ms > 0):
            raise NetworkError(f"dt_ms is {self.dt_ms}; a positive number is required")
        object.__setattr__(self, "max_input", _number("max_input", self.max_input))
        whole = 1 <= self.max_input <= MAX_INPUT and int(self.max_input) == self.max_input
        if self.real_input is None and not whole:
            raise NetworkError(f"max_input is {self.max_input}; allowed: 1 to {MAX_INPUT}")
        kind = int if self.real_input is None else float
        object.__setattr__(self, "max_input", kind(self.max_input))
        if self.labels and len(self.labels) != self.readout.size:
            raise NetworkError(f"{len(self.labels)} labels for {self.readout.size} classes")
        object.__setattr__(self, "notes", _json_ready(self.notes))

    @abstractmethod
    def _check_parts(self) -> None:
        """Raises NetworkError unless each part takes what comes before it."""

    def reset(self, batch: int = 1) -> State:
        """The state of a fresh start: zeros, (batch, ...)."""
        return {s.name: np.zeros((batch, *s.shape), s.dtype) for s in self.state()}

    @property
    def real_input(self) -> RealInput | None:
        """How real inputs are rounded; None: inputs are counts. Raises NetworkError."""
        return None if self.input_bits is None else RealInput(self.input_bits, self.max_input)

    def rounded(self, x: F32) -> F32:
        """Inputs as the network takes them."""
        return x if self.real_input is None else self.real_input.reference(x)

    @property
    def largest_units(self) -> int:
        """Largest size of an input as a whole number: a count, or units of 2^-input_bits."""
        return int(self.max_input) if self.real_input is None else self.real_input.largest

    @abstractmethod
    def step(
        self, x: NDArray[Any], state: State, spikes: Sequence[Callable[[F32], None]] = ()
    ) -> tuple[F32, State]:
        """One step, plain and slow. x: (batch, inputs). Returns y (batch, outputs), the new state.

        spikes: one receiver per layer for its spikes (batch, N), to look inside.
        """


def own_state(prefix: str, names: Mapping[str, str], state: State) -> State:
    """The variables of one layer, or of the readout, by their local names."""
    return {name: state[prefix + name] for name in names}


def prefixed(prefix: str, state: State) -> State:
    """Local names as they stand in the state of the network."""
    return {prefix + name: value for name, value in state.items()}


def _number(name: str, value: Any) -> Any:
    """Python's number for one of NumPy's: files hold it as JSON."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NetworkError(f"{name} is {value!r}; a number is required")
    try:
        float(value)
    except OverflowError:
        raise NetworkError(f"{name} is larger than any float; a number is required") from None
    return value


def _json_ready(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Notes as they come back from a file. Raises NetworkError."""
    try:
        ready: dict[str, Any] = json.loads(json.dumps(dict(notes), default=_to_json))
    except TypeError as error:
        raise NetworkError(f"notes: {error}") from error
    return ready


def _to_json(value: Any) -> Any:
    """NumPy's values as Python's, paths as text."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}; allowed: text, numbers, lists, tables")
