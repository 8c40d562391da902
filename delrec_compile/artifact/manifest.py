"""The artifact on disk: its typed manifest, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np

from delrec_compile.aliases import Numeric
from delrec_compile.artifact.abi import (
    OPTIONAL,
    Header,
    StateTensor,
    StateVariable,
    layer_sizes,
    state_from_json,
)
from delrec_compile.artifact.abi import Form as Form
from delrec_compile.errors import InputError
from delrec_compile.system import fields
from delrec_compile.system.files import check_files, check_inside
from delrec_compile.system.host import is_here

if TYPE_CHECKING:
    from delrec_compile.network.integer.model import IntegerNetwork

SCHEMA = "delrec.artifact/1"
FILE = "manifest.json"
PATHS = ("library", "static_library", "image", "board_image")  # keys that name a file


@dataclass(frozen=True, kw_only=True)
class CommonManifest:
    """The keys of every manifest. Raises InputError for a value of the wrong type.

    name: prefix of the C entry points. target: name of the profile. machine: architecture that the
    code runs on; `any` for portable C. numeric: float32, int16 or int8. steps_per_call: time steps
    of one call of `step`. inputs, outputs: values per time step. llvm: TVM's target. library: path
    in the folder; None where there are C sources only. library_bytes: size of that file. proven:
    whether it computed what its source does, before it was moved into its place; None: it was not
    run. tools: versions of the packages that built it. files: sha256 of each file, by path.
    """

    VARIABLE: ClassVar[type[StateTensor]] = StateTensor

    name: str
    target: str
    machine: str = "any"
    form: Form = Form.LIBRARY
    numeric: Numeric = Numeric.FLOAT32
    steps_per_call: int
    inputs: int
    outputs: int
    llvm: dict[str, Any] = field(default_factory=dict)
    library: str | None
    state: tuple[StateTensor, ...]
    library_bytes: int | None = None
    proven: bool | None = None
    tools: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            fields.check_types(self)
        except ValueError as error:
            raise InputError(str(error)) from error
        for key in ("steps_per_call", "inputs", "outputs"):
            if getattr(self, key) < 1:
                raise InputError(f"key '{key}' is {getattr(self, key)}; at least 1 is required")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The manifest of a parsed manifest.json. Raises InputError, which names the key."""
        try:
            state = state_from_json(data["state"], cls.VARIABLE) if "state" in data else None
            return fields.from_json(cls, {**data, "state": state} if state is not None else data)
        except ValueError as error:
            raise InputError(str(error)) from error

    def to_json(self) -> dict[str, Any]:
        """The object that manifest.json holds."""
        values = {"schema": SCHEMA, **vars(self)}
        values["state"] = {v.name: v.to_json() for v in self.state}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @property
    def main_file(self) -> str:
        """The path of the library, or of the C source, that holds the entry points."""
        return self.library or f"src/{self.name}.c"

    def sizes(self) -> dict[str, float]:
        """The numbers that the C header declares too, by the names of its constants."""
        return {"INPUTS": self.inputs, "OUTPUTS": self.outputs}

    def check_header(self, header: Header) -> None:
        """Raises ValueError, which names the key, for a size that the C header declares otherwise."""
        header.check_constants(self.sizes())


@dataclass(frozen=True, kw_only=True)
class Manifest(CommonManifest):
    """The manifest of a compiled network.

    counts: dtype of the input. input_bits, max_input: see `RealInput`; None where inputs are counts.
    state: variables of one stream, in memory order. dt_ms: length of a time step. exact_grids: q of
    each layer and the readout, whose sums are multiples of 2^-q; None where none makes them exact.
    source_sha256, golden_sha256: of the network and of its golden vectors. schedule: fields of
    Schedule. tuning: origin, ratio and own schedule of a tuned one; None without tuning.
    clock_mhz, board, memory, flash: those of the target's profile. board_image: program that starts
    from reset. core, image: emulator core and its program. flash_bytes, ram_bytes: size of the
    program for a chip. static_library: path of the .a file. stack_bytes: most that a call takes.

    arch, compiler, kernels, threads, shared_bytes, tables: of a GPU's device code: architecture,
    compiler, kernel names, threads per block, bytes of shared memory, and the layout of .weights.
    populations: neurons of each that fires in a graph, in order. front_end: its description, or empty.
    """

    VARIABLE = StateVariable

    counts: str = "float32"
    input_bits: int | None = None
    max_input: float | None = None
    state: tuple[StateVariable, ...]
    dt_ms: float = 0.0
    exact_grids: tuple[int | None, ...] = ()
    source_sha256: str = ""
    golden_sha256: str = ""
    schedule: dict[str, Any] = field(default_factory=dict)
    tuning: dict[str, Any] | None = None
    clock_mhz: float | None = None
    board: str = ""
    memory: dict[str, Any] = field(default_factory=dict)
    flash: dict[str, Any] = field(default_factory=dict)
    board_image: str | None = None
    core: str | None = None
    image: str | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    static_library: str | None = None
    stack_bytes: int | None = None
    arch: str | None = None
    compiler: str | None = None
    kernels: tuple[str, ...] = ()
    threads: int | None = None
    shared_bytes: int | None = None
    tables: dict[str, Any] = field(default_factory=dict)
    populations: tuple[int, ...] = ()
    front_end: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The object that manifest.json holds: the keys of its form, no others."""
        keys = {*OPTIONAL.get(self.form, ())}
        keys |= {*OPTIONAL["chip"]} if self.is_sources and self.core else set()
        keys |= {*OPTIONAL["real"]} if self.input_bits is not None else set()
        absent = {key for names in OPTIONAL.values() for key in names} - keys
        absent |= {key for key in ("populations", "front_end") if not getattr(self, key)}
        return {k: v for k, v in super().to_json().items() if k not in absent}

    def sizes(self) -> dict[str, float]:
        sizes = {**super().sizes(), "NEURONS": sum(self.neurons)}
        if self.input_bits is not None and self.max_input is not None:
            sizes |= {"INPUT_BITS": self.input_bits, "MAX_INPUT": self.max_input}
        return sizes if self.is_gpu else {**sizes, "STEPS_PER_CALL": self.steps_per_call}

    def check_header(self, header: Header) -> None:
        super().check_header(header)
        header.check_types(self.counts, None if self.is_gpu else self.state)

    @property
    def is_gpu(self) -> bool:
        return self.form is Form.CUDA

    @property
    def is_sources(self) -> bool:
        return self.form is Form.SOURCES

    @property
    def is_integer(self) -> bool:
        """Whether the artifact computes in int16 or int8."""
        return self.numeric.is_integer

    @property
    def runs_here(self) -> bool:
        """Whether the artifact's code is for the processor of this machine."""
        return not self.is_gpu and is_here(self.machine)

    @property
    def counts_dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of x."""
        return np.dtype(self.counts)

    @property
    def neurons(self) -> tuple[int, ...]:
        """Neurons of each population that fires."""
        return self.populations or layer_sizes(self.state)

    @property
    def state_bytes(self) -> int:
        """Bytes of one stream's state, without padding."""
        return sum(v.bytes for v in self.state)

    @property
    def cpu(self) -> str:
        """LLVM's name of the processor, or the architecture where there is none."""
        return str(self.llvm.get("mcpu", self.machine))


M = TypeVar("M", bound=CommonManifest)


@dataclass(frozen=True)
class Artifact:
    """A compiled network on disk."""

    path: Path
    manifest: Manifest

    @property
    def library(self) -> Path | None:
        """The shared library; None where the artifact is C sources."""
        return self.path / self.manifest.library if self.manifest.library else None

    @property
    def integer(self) -> IntegerNetwork | None:
        """The integer network that an int16 or int8 artifact computes; None in float32."""
        if not self.manifest.is_integer:
            return None
        from delrec_compile.network.integer import checkpoint

        return checkpoint.load(self.path / checkpoint.NAME)

    @property
    def archive(self) -> Path:
        """The .tar.gz beside the folder."""
        return archive_of(self.path)


def archive_of(folder: Path) -> Path:
    """The place of the .tar.gz of an artifact's folder."""
    return folder.with_name(folder.name + ".tar.gz")


def load_artifact(path: Path | str) -> Artifact:
    """Reads the folder of a compiled network and checks every file's checksum.

    Raises InputError.
    """
    path = Path(path)
    data = read_folder(path)
    if is_plain(data):
        raise InputError(f"{path} is a plain ONNX step; use 'check', 'bench' or PlainSession")
    return Artifact(path, checked(path, Manifest, data))


def is_plain(data: object) -> bool:
    """Whether a parsed manifest.json is that of a plain ONNX step."""
    return isinstance(data, Mapping) and data.get("form") == Form.PLAIN


def read_folder(path: Path) -> dict[str, Any]:
    """The parsed manifest.json of a folder. Raises InputError where it is of another schema."""
    try:
        data = fields.parse_json((path / FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise _foreign(path, error) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise _foreign(path, f"its schema is not '{SCHEMA}'")
    if not fields.is_intact(data):
        raise InputError(f"{path / FILE} differs from its own checksum; build the artifact again")
    return data


def checked(path: Path, kind: type[M], data: Mapping[str, Any]) -> M:
    """The manifest, each of whose files is there as it was built. Raises InputError."""
    try:
        manifest = kind.from_json(data)
    except InputError as error:
        raise _foreign(path, error) from error
    header = f"include/{manifest.name}.h"
    for name in (manifest.main_file, header):
        if name not in manifest.files:
            raise _foreign(path, f"key 'files' lacks {name}")
    try:
        paths = [p for key in PATHS if (p := getattr(manifest, key, None))]
        check_inside(path, [*manifest.files, *paths])
        check_files(path, manifest.files)
        text = (path / header).read_text(encoding="utf-8", errors="replace")
        manifest.check_header(Header.parse(text, manifest.name))
    except ValueError as error:
        raise _foreign(path, error) from error
    return manifest


def _foreign(path: Path, why: object) -> InputError:
    from delrec_compile.system.recognise import no_artifact

    return InputError(no_artifact(path, why))
