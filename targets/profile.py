"""A device profile: what a TOML file of this folder may say, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from delrec_compile.aliases import Numeric
from delrec_compile.errors import UnsupportedError, did_you_mean
from delrec_compile.system.chips import CORES, KB, MemoryMap, Region
from delrec_compile.system.host import is_here
from delrec_compile.targets.schedule import Schedule

FORMS = ("library", "sources", "cuda")
EXECUTIONS = ("native", "emulated")
BUILD_TOOLS = ("cc", "zig", "emulator", "wasmtime", "qemu", "cuda")
LLVM_REQUIRED = ("kind", "mtriple", "mcpu")
# what TVM's LLVM target takes
LLVM_KEYS = (
    *LLVM_REQUIRED,
    "mattr",
    "mfloat-abi",
    "mabi",
    "opt-level",
    "vector-width",
    "fast-math",
    "cl-opt",
    "jit",
    "num-cores",
)
STACK_KB = 4
T = TypeVar("T")


@dataclass(frozen=True)
class Memory:
    """The [memory] table: a chip without an operating system. flash, ram: (address, KB). stack: KB."""

    chip: str
    flash: tuple[int, int]
    ram: tuple[int, int]
    stack: int = STACK_KB

    def __post_init__(self) -> None:
        for name, (address, size) in (("flash", self.flash), ("ram", self.ram)):
            if address < 0 or size < 1:
                raise UnsupportedError(
                    f"{name} = [{address}, {size}]; an address of 0 or more and a size of 1 KB or "
                    "more are required"
                )
        if self.stack < 0:
            raise UnsupportedError(f"stack = {self.stack}; 0 KB or more is required")

    @property
    def map(self) -> MemoryMap:
        """The same in bytes."""
        flash, ram = (Region(address, size * KB) for address, size in (self.flash, self.ram))
        return MemoryMap(self.chip, flash, ram, self.stack * KB)

    def to_json(self) -> dict[str, Any]:
        """The table, as a manifest records it."""
        return {
            "chip": self.chip,
            "flash": list(self.flash),
            "ram": list(self.ram),
            "stack": self.stack,
        }

    @classmethod
    def from_table(cls, table: Any, where: str) -> Memory:
        """Raises UnsupportedError; `where` names the table in it."""
        return read_table(cls, table, where)


@dataclass(frozen=True)
class Flashing:
    """The [flash] table: how a program gets onto the chip.

    tool: name of the flashing tool. device: the chip's name in that tool. pack: whether the tool
    has to fetch its description of the chip first.
    """

    tool: str
    device: str
    pack: bool = False

    def to_json(self) -> dict[str, Any]:
        """The table, as a manifest records it."""
        table = {"tool": self.tool, "device": self.device}
        return {**table, "pack": True} if self.pack else table


@dataclass(frozen=True)
class Choice:
    """A [[schedule]] table.

    features: CPU features that it needs. mattr: LLVM's flags for it. tuning: those of what is fast.
    """

    features: tuple[str, ...]
    mattr: tuple[str, ...]
    schedule: Schedule
    tuning: tuple[str, ...] = ()

    @classmethod
    def from_table(cls, table: Any, where: str) -> Choice:
        """Raises UnsupportedError; `where` names the table in it."""
        own = ("features", "mattr", "tuning")
        keys = (*own, *(f.name for f in fields(Schedule)))
        table = checked_keys(table, keys, where)
        features, mattr, tuning = (
            _value(tuple[str, ...], table.get(k, []), f"{where}: {k}") for k in own
        )
        values = {k: v for k, v in table.items() if k not in own}
        return cls(features, mattr, read_table(Schedule, values, where), tuning)


@dataclass(frozen=True)
class Target:
    """A device profile.

    how: `native`, or `emulated` on a machine of another kind. machine: its kind, or `any`. tools:
    build tools, in the names of `system.doctor`. form: `library`, `sources` or `cuda`. cross: Zig's
    triple, where this machine is another. core: key of `system.chips.CORES` that emulates it there.
    arch: GPU architecture. like: profile whose size and speed stand for this one's, which nothing here
    compiles. features: LLVM's names of what every CPU of the target has. llvm: TVM's
    target, empty where TVM writes C or CUDA text.
    """

    name: str
    summary: str
    how: str
    machine: str
    numeric: tuple[Numeric, ...]
    tools: tuple[str, ...]
    schedules: tuple[Choice, ...]
    llvm: dict[str, Any] = field(default_factory=dict)
    form: str = "library"
    cross: str = ""
    core: str = ""
    clock_mhz: float | None = None
    board: str = ""
    memory: Memory | None = None
    arch: str = ""
    like: str = ""
    features: tuple[str, ...] = ()
    flash: Flashing | None = None

    def __post_init__(self) -> None:
        for key, value, allowed in (
            ("how", self.how, EXECUTIONS),
            ("form", self.form, FORMS),
            ("core", self.core, ("", *CORES)),
            *(("tool", tool, BUILD_TOOLS) for tool in self.tools),
        ):
            if value not in allowed:
                raise UnsupportedError(
                    f"unknown {key} '{value}'{did_you_mean(value, allowed)}; "
                    f"allowed: {', '.join(filter(None, allowed))}"
                )
        if not self.numeric or not self.schedules:
            key = "a [[schedule]]" if self.numeric else "a mode in 'numeric'"
            raise UnsupportedError(f"{key} is missing; at least one is required")
        if (self.form == "library") != bool(self.llvm):
            raise UnsupportedError(
                "form 'library' needs an [llvm] table, and no other form has one"
            )
        if self.llvm and any(choice.schedule.bytes == "words" for choice in self.schedules):
            raise UnsupportedError("bytes = 'words' is for C text; with [llvm], take 'wide'")
        if (self.form == "cuda") != bool(self.arch):
            raise UnsupportedError("form 'cuda' needs 'arch', and no other form has it")

    @property
    def runs_here(self) -> bool:
        return is_here(self.machine)

    @property
    def triple(self) -> str:
        """Zig's triple of the C compiler; empty where this machine is the target."""
        return "" if is_here(self.machine) else self.cross

    @property
    def generator(self) -> str:
        """Writer of the kernels: `llvm`, or TVM's C or CUDA text."""
        return "cuda" if self.arch else "llvm" if self.llvm else "c"

    def numeric_mode(self, name: str) -> Numeric:
        """The numeric mode of that name. Raises UnsupportedError where this target has it not."""
        if name not in self.numeric:
            raise UnsupportedError(
                f"target '{self.name}' has no numeric mode '{name}'; "
                f"allowed: {', '.join(self.numeric)}"
            )
        return Numeric(name)

    @classmethod
    def from_table(cls, name: str, table: dict[str, Any], where: str) -> Target:
        """A profile from its TOML text, parsed. Raises UnsupportedError; `where` names the file."""
        keys = [f.name for f in fields(cls) if f.name not in ("name", "schedules")]
        table = checked_keys(table, (*keys, "schedule"), where)
        schedules = table.pop("schedule", [])
        if not isinstance(schedules, list):
            raise UnsupportedError(f"{where}: 'schedule' is not a list of [[schedule]] tables")
        parsed: dict[str, Any] = {
            "name": name,
            "schedules": tuple(
                Choice.from_table(choice, f"{where}: [[schedule]] {i}")
                for i, choice in enumerate(schedules, 1)
            ),
        }
        if "llvm" in table:
            parsed["llvm"] = _llvm(table.pop("llvm"), f"{where}: [llvm]")
        if "memory" in table:
            parsed["memory"] = Memory.from_table(table.pop("memory"), f"{where}: [memory]")
        if "flash" in table:
            parsed["flash"] = read_table(Flashing, table.pop("flash"), f"{where}: [flash]")
        return read_table(cls, {**table, **parsed}, where)


def checked_keys(table: Any, allowed: tuple[str, ...], where: str) -> dict[str, Any]:
    """A copy of a table that has no other keys. Raises UnsupportedError."""
    if not isinstance(table, Mapping):
        raise UnsupportedError(f"{where}: not a table; allowed keys: {', '.join(allowed)}")
    for key in table:
        if key not in allowed:
            raise UnsupportedError(
                f"{where}: unknown key '{key}'{did_you_mean(key, allowed)}; "
                f"allowed: {', '.join(allowed)}"
            )
    return dict(table)


def read_table(kind: type[T], table: Any, where: str) -> T:
    """A dataclass from a table whose keys are its fields. Raises UnsupportedError."""
    known = fields(kind)  # type: ignore[arg-type]
    table = checked_keys(table, tuple(f.name for f in known), where)
    types = get_type_hints(kind)
    for f in known:
        if f.name in table:
            table[f.name] = _value(types[f.name], table[f.name], f"{where}: {f.name}")
        elif f.default is MISSING and f.default_factory is MISSING:
            raise UnsupportedError(f"{where}: '{f.name}' is missing")
    try:
        return kind(**table)
    except UnsupportedError as error:
        raise UnsupportedError(f"{where}: {error}") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    """A value of a table as its field's type: numbers, text, and tuples from lists."""
    if isinstance(kind, UnionType):
        kind = next(k for k in get_args(kind) if k is not NoneType)
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        kinds = get_args(kind)
        if kinds[-1] is not Ellipsis and len(value) != len(kinds):
            raise UnsupportedError(f"{where} = {value!r}; {len(kinds)} values are required")
        kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        return tuple(_value(k, v, where) for k, v in zip(kinds, value, strict=True))
    if kind is Numeric and isinstance(value, str):
        try:
            return Numeric.parse(value)
        except UnsupportedError as error:
            raise UnsupportedError(f"{where}: {error}") from error
    accepted = (int, float) if kind is float else get_origin(kind) or kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        name = "a list" if get_origin(kind) is tuple else _NAMES.get(kind, kind.__name__)
        raise UnsupportedError(f"{where} = {value!r}; {name} is required")
    return value


_NAMES = {int: "an integer", float: "a number", str: "text", bool: "true or false"}


def _llvm(table: Any, where: str) -> dict[str, Any]:
    checked = checked_keys(table, LLVM_KEYS, where)
    for key in LLVM_REQUIRED:
        if not isinstance(checked.get(key), str):
            raise UnsupportedError(f"{where}: '{key}' is missing or not text")
    if checked["kind"] != "llvm":
        raise UnsupportedError(f"{where}: kind = '{checked['kind']}'; allowed: llvm")
    return checked
