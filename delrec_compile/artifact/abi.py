"""Names, types and limits of the C interface that an artifact and its callers share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from delrec_compile.system import fields

BATCH = "run_batch"  # the entry of many streams, of libraries only

CTYPES = {
    "float32": "float",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
}


# elements of x, y or spikes in one call: the range of a 32-bit index
MAX_ELEMENTS = (1 << 31) - 1

HOISTED_FROM = 4  # steps of a call from which on the sequence kernel is used


def c_name(text: str) -> str:
    """The text as a C identifier."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    return name if name and not name[0].isdigit() else f"n_{name}"


ENTRIES = ("reset", "step", "run", "trace", "state_bytes", "self_test")


@dataclass(frozen=True)
class StateTensor:
    """A variable that a stream keeps between steps. elements: of dtype."""

    name: str
    elements: int
    dtype: str

    def __post_init__(self) -> None:
        fields.check_types(self)

    @property
    def bytes(self) -> int:
        return self.elements * np.dtype(self.dtype).itemsize

    def to_json(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if k != "name"}


@dataclass(frozen=True)
class StateVariable(StateTensor):
    """A member of the state struct. offset: bytes from its start."""

    offset: int


V = TypeVar("V", bound=StateTensor)


def state_from_json(data: Any, kind: type[V]) -> tuple[V, ...]:
    """The `state` of a manifest, in memory order. Raises ValueError, which names the key."""
    if not isinstance(data, Mapping):
        raise ValueError(f"key 'state' is {data!r}; an object is needed")
    variables = []
    for name, values in data.items():
        try:
            variables.append(fields.from_json(kind, {**values, "name": name}))
        except (TypeError, ValueError) as error:
            raise ValueError(f"key 'state', variable '{name}': {error}") from error
    return tuple(sorted(variables, key=lambda v: getattr(v, "offset", 0)))


def layer_sizes(state: Iterable[StateTensor]) -> tuple[int, ...]:
    """Neurons of each hidden layer: elements of its membrane, the variable `l<i>_v`."""
    layers = ((re.fullmatch(r"l(\d+)_v", v.name), v.elements) for v in state)
    return tuple(n for _, n in sorted((int(m[1]), n) for m, n in layers if m))
