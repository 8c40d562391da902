"""Names, types and limits of the C interface that an artifact and its callers share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np

from delrec_compile.errors import UsageError
from delrec_compile.system import fields

BATCH = "run_batch"  # the entry of many streams, of libraries only
# entries of an artifact with a front end
LISTEN = (
    *("frontend_reset", "frontend", "frontend_self_test"),
    *("listen_reset", "listen", "listener_bytes"),
)
EVENTS = "step_events"  # the entry of sources whose inputs are counts

CTYPES = {
    "float32": "float",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
}
STATE_DTYPES = (*CTYPES, "float64", "int64", "uint64", "bool")  # the last four: plain steps only


# elements of x, y or spikes in one call: the range of a 32-bit index
MAX_ELEMENTS = (1 << 31) - 1

WORK = "work_"  # begin of the names of state members that are temporary arrays of a call
STATE_ALIGN = 64  # bytes, of each member of a library's state
HOISTED_FROM = 4  # steps of a call from which on the sequence kernel is used


# keys that only some artifacts have: those of each form, of a program for a chip, of real inputs
OPTIONAL: dict[str, tuple[str, ...]] = {
    "library": ("core", "image", "stack_bytes", "static_library"),
    "sources": ("core", "image", "stack_bytes"),
    "cuda": ("arch", "compiler", "kernels", "shared_bytes", "tables", "threads"),
    "chip": ("flash_bytes", "ram_bytes"),
    "real": ("input_bits", "max_input"),
}


class Form(StrEnum):
    """The layout of an artifact's folder."""

    LIBRARY = "library"
    SOURCES = "sources"
    CUDA = "cuda"
    PLAIN = "plain"  # the library of a plain ONNX step


def c_name(text: str) -> str:
    """The text as a C identifier."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    return name if name and not name[0].isdigit() else f"n_{name}"


NAME_LETTERS = 64  # of a prefix of C symbols: files, folders and linkers have limits too
# names that CMake keeps for its own targets, libraries that every linker knows, and headers of C and
# of systems, in whose place a program would include the artifact's
TAKEN = frozenset(
    {
        *("all", "clean", "help", "install", "package", "rebuild_cache", "edit_cache", "test"),
        *("run_tests", "zephyr", "app", "c", "m", "dl", "rt", "pthread", "util", "resolv", "gcc"),
        *("assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits"),
        *("locale", "math", "setjmp", "signal", "stdalign", "stdarg", "stdatomic", "stdbit"),
        *("stdbool", "stdckdint", "stddef", "stdint", "stdio", "stdlib", "stdnoreturn", "string"),
        *("tgmath", "threads", "time", "uchar", "wchar", "wctype", "alloca", "dirent", "dlfcn"),
        *("endian", "fcntl", "features", "malloc", "memory", "poll", "sched", "semaphore"),
        *("strings", "termios", "ucontext", "unistd", "arduino", "print", "stream", "windows"),
    }
)


def checked_name(name: str) -> str:
    """A name that someone chose for an artifact. Raises UsageError for one that C does not take."""
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or len(name) > NAME_LETTERS:
        shown = name if len(name) <= NAME_LETTERS else f"{name[:20]}... of {len(name)} letters"
        raise UsageError(
            f"name '{shown}': a letter, then letters, digits and _ are required, at most "
            f"{NAME_LETTERS} in all"
        )
    if name.lower() in TAKEN:
        raise UsageError(f"name '{name}': C, CMake or the linker has that name; choose another")
    return name


def artifact_name(network: str, chosen: str | None = None) -> str:
    """Prefix of an artifact's C symbols: the chosen name, or one made of the network's.

    Raises UsageError for a chosen name that C does not take, and for one that is too long.
    """
    if chosen is not None:
        return checked_name(chosen)
    name = c_name(network).lstrip("_") or "n"
    name = f"n_{name}" if name[0].isdigit() or name.lower() in TAKEN else name
    if len(name) > NAME_LETTERS:
        raise UsageError(
            f"the network's name, '{name[:20]}...', has {len(name)} letters; at most {NAME_LETTERS} "
            "are allowed: choose another with --name"
        )
    return name


ENTRIES = ("reset", "step", "run", "trace", "state_bytes", "self_test")
UNCALLED = ("decide", "label", "state_check")  # entries that nothing need call


@dataclass(frozen=True)
class StateTensor:
    """A variable that a stream keeps between steps. elements: of dtype."""

    name: str
    elements: int
    dtype: str

    def __post_init__(self) -> None:
        fields.check_types(self)
        if self.elements < 0:
            raise ValueError(f"key 'elements' is {self.elements}; at least 0 is needed")
        if self.dtype not in STATE_DTYPES:
            raise ValueError(f"key 'dtype' is '{self.dtype}'; allowed: {', '.join(STATE_DTYPES)}")

    @property
    def bytes(self) -> int:
        return self.elements * np.dtype(self.dtype).itemsize

    def to_json(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if k != "name"}


@dataclass(frozen=True)
class StateVariable(StateTensor):
    """A member of the state struct. offset: bytes from its start."""

    offset: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.offset < 0:
            raise ValueError(f"key 'offset' is {self.offset}; at least 0 is needed")


@dataclass(frozen=True)
class Header:
    """The sizes that the C header of an artifact declares.

    constants: numbers behind `#define <NAME>_<key>`, by key. state: members of the state struct, in
    memory order; those of C types that CTYPES lacks are left out. counts: C type of x; empty
    without `run`.
    """

    constants: dict[str, float]
    state: tuple[StateVariable, ...]
    counts: str

    @classmethod
    def parse(cls, text: str, name: str) -> Header:
        """name: prefix of the C entry points."""
        macros = re.findall(rf"^#define {re.escape(name.upper())}_(\w+) ([\d.e+-]+)$", text, re.M)
        struct = re.search(
            rf"^typedef struct {re.escape(name)}_state {{(.*?)^}}", text, re.M | re.S
        )
        x = re.search(rf"\b{re.escape(name)}_run\([^;]*?\bconst (\w+) \*x\b", text)
        return cls(
            {key: float(number) for key, number in macros},
            _members(struct[1]) if struct else (),
            x[1] if x else "",
        )

    def check_constants(self, sizes: Mapping[str, float]) -> None:
        """Raises ValueError, which names the key, for a size that the header declares otherwise."""
        for name, value in sizes.items():
            declared = self.constants.get(name)
            if declared != value:
                there = "absent" if declared is None else f"{declared:g}"
                raise ValueError(f"key '{name.lower()}' is {value:g}; in the C header: {there}")

    def check_types(self, counts: str, state: tuple[StateVariable, ...] | None) -> None:
        """Raises ValueError for another dtype of x, or another state; None: there is no struct."""
        if CTYPES.get(counts) != self.counts:
            raise ValueError(f"key 'counts' is '{counts}'; in the C header: '{self.counts}'")
        if state is not None and state != self.state:
            raise ValueError("key 'state' is not the struct of the C header")


def _members(struct: str) -> tuple[StateVariable, ...]:
    """The members of a C struct, placed as the compiler does."""
    dtypes, at, out = {ctype: dtype for dtype, ctype in CTYPES.items()}, 0, []
    for ctype, name, elements in re.findall(r"(\w+) (\w+)\[(\d+)\];", struct):
        if ctype in dtypes:
            align = STATE_ALIGN if "ALIGNED" in struct else np.dtype(dtypes[ctype]).itemsize
            at = -(-at // align) * align
            out.append(StateVariable(name, int(elements), dtypes[ctype], at))
            at += out[-1].bytes
    return tuple(out)


V = TypeVar("V", bound=StateTensor)


def state_from_json(data: Any, kind: type[V]) -> tuple[V, ...]:
    """The `state` of a manifest, in memory order. Raises ValueError, which names the key."""
    if not isinstance(data, Mapping):
        raise ValueError(f"key 'state' is {data!r}; an object is required")
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
