"""What a checkpoint file holds: the tensors of its state dict, read without running code.

Training scripts save more than weights: an accuracy that NumPy computed, the state of an optimiser.
NumPy's numbers and arrays are made here, of their bytes; no function that a file names is called.
"""

from __future__ import annotations

import contextlib
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError
from delrec_compile.network.tensor_file import DAMAGE

WRAPPERS = ("net", "model", "model_state_dict", "state_dict")
PREFIX = re.compile(r"((?:(?!layers\.)[A-Za-z_]\w*\.)*)layers\.")
COMPILED = "_orig_mod."  # torch.compile puts it before the keys of a module
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
FORBIDDEN = re.compile(
    r"GLOBAL ([\w.]+) was not an allowed|[Tt]rying to load unsupported GLOBAL (\S+)"
)
# errors of zipfile on bytes that are no archive
BROKEN = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, struct.error, zlib.error)
DEPTH = 4  # of dicts around a state dict; a pickle can hold one that is inside itself
NUMBERS = "biufc"  # kinds of NumPy's types that are numbers
PROGRAM = "it is a TorchScript archive, a program"
NOT_SAVED = "it is no file of torch.save, or a damaged one"
PICKLE, TAR = b"\x80", slice(257, 262)
# packages of which torch.load makes anything; it refuses some of their names, and all others
ROOTS = ("torch", "collections", "numpy", "builtins", "__builtin__", "_codecs")


@dataclass(frozen=True)
class Content:
    """tensors: of the state dict, float64, in the file's order, by keys that begin with `layers.`.

    under: the key that held the state dict, or an empty text. beside: the other keys beside it.
    prefix: what stood before every key. epoch: number of the epoch, if the file states it.
    """

    tensors: dict[str, F64]
    under: str = ""
    beside: frozenset[str] = frozenset()
    prefix: str = ""
    epoch: int | None = None


def read_content(path: Path | str) -> Content:
    """The content of a checkpoint file. Raises CheckpointError."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    held = _loaded(path)
    under, beside = "", frozenset[str]()
    epoch = held.get("epoch") if isinstance(held, Mapping) else None
    for _ in range(DEPTH + 1):
        found = [k for k in WRAPPERS if isinstance(held, Mapping) and _is_state(held.get(k))]
        if not found:
            break
        if len(found) > 1:
            raise CheckpointError(
                f"{path}: several state dicts ({', '.join(found)}); save one as "
                "{'net': model.state_dict()}"
            )
        under, beside = found[0], beside | (frozenset(map(str, held)) - {found[0]})
        held = held[under]
    if found or not _is_state(held):
        raise CheckpointError(
            f"{path}: has no state dict under {', '.join(WRAPPERS)}; save it as "
            "{'net': model.state_dict()}"
        )
    keys, prefix = _keys(path, held)
    tensors = {key: _array(f"{path}: '{old}'", held[old]) for key, old in keys.items()}
    own = int(epoch) if isinstance(epoch, int | np.integer) else None
    return Content(tensors, under, beside, prefix, own)


def _is_state(held: Any, depth: int = 0) -> bool:
    """Whether it is a dict with tensors, or one that holds such a dict."""
    import torch

    if not isinstance(held, Mapping) or depth > DEPTH:
        return False
    tensors = any(isinstance(value, torch.Tensor | Array) for value in held.values())
    return tensors or any(_is_state(held.get(key), depth + 1) for key in WRAPPERS)


def _keys(path: Path, state: Mapping[Any, Any]) -> tuple[dict[str, Any], str]:
    """The keys of a state dict by what is left without their common prefix, and the prefix."""
    plain = {old: str(old).replace(COMPILED, "") for old in state}
    matches = [PREFIX.match(key) for key in plain.values()]
    prefixes = {match[1] for match in matches if match}
    prefix = prefixes.pop() if len(prefixes) == 1 and all(matches) else ""
    keys = {key.removeprefix(prefix): old for old, key in plain.items()}
    if len(keys) < len(state):
        raise CheckpointError(f"{path}: two keys are the same without '{COMPILED}'")
    return keys, prefix


def _loaded(path: Path) -> Any:
    _check_archive(path)
    try:
        why = _foreign(path)  # before PyTorch is loaded, which takes seconds
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    if why is not None:
        raise CheckpointError(_unread(path, why))
    import torch

    try:
        with torch.serialization.safe_globals(STAND_INS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(_unread(path, _reason(error))) from error


def _unread(path: Path, why: str) -> str:
    return (
        f"{path} cannot be read without running code ({why}); save it as "
        "{'net': model.state_dict()}"
    )


def _foreign(path: Path) -> str | None:
    """Why a file is none of torch.save, as far as its first bytes and the names in its pickle tell."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            head = file.read(TAR.stop)
        # a pickle, or the archive that torch.save wrote first
        return None if head[:1] == PICKLE or head[TAR] == b"ustar" else NOT_SAVED
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if any(name.endswith("/constants.pkl") for name in members):
            return PROGRAM
        if not pickles:
            return NOT_SAVED
        names = _names(archive.read(pickles[0]))
    strange = (name for name in names if name.split(".")[0] not in ROOTS)
    return next((f"it holds {name}, which is no tensor or plain value" for name in strange), None)


def _names(pickled: bytes) -> Iterator[str]:
    """Functions and types that a pickle names, as far as it is whole; none of it is run."""
    with contextlib.suppress(*DAMAGE):
        for code, value, _ in pickletools.genops(pickled):
            if code.name == "GLOBAL":  # of protocol 2, which torch.save writes
                yield str(value).replace(" ", ".")


def _check_archive(path: Path) -> None:
    """Raises CheckpointError for an archive whose entries are damaged or packed."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            packed = any(i.compress_type != zipfile.ZIP_STORED for i in archive.infolist())
            damaged = None if packed else archive.testzip()
    except BROKEN as error:
        raise CheckpointError(f"{path} is damaged ({error}); copy it again") from error
    if packed or damaged:
        what = f"'{damaged}' has another checksum" if damaged else "its entries are packed"
        raise CheckpointError(f"{path} is damaged or not of torch.save ({what}); copy it again")


def _reason(error: Exception) -> str:
    """Why a file was refused, in one line without escape codes."""
    text = " ".join(ESCAPES.sub("", str(error)).split())
    if named := FORBIDDEN.search(text):
        return f"it holds {named[1] or named[2]}, which is no tensor or plain value"
    if "TorchScript" in text:
        return PROGRAM
    if any(word in text for word in ("allowlisted", "unrecognized function", "safe_globals")):
        return "it holds an object that is no tensor or plain value"
    return NOT_SAVED


def _array(where: str, value: Any) -> F64:
    import torch

    if isinstance(value, Array):
        try:
            value = torch.from_numpy(value.values())
        except DAMAGE as error:
            raise CheckpointError(f"{where} is a damaged NumPy array ({error})") from error
    if not isinstance(value, torch.Tensor):
        raise CheckpointError(f"{where} is not a tensor")
    unsupported = {
        "without values": value.is_meta,
        "of complex numbers": value.is_complex(),
        "of quantized numbers": value.is_quantized,
        "that is not dense": value.layout != torch.strided or value.is_nested,
    }
    unsupported["that repeats its values"] = not any(unsupported.values()) and (
        value.numel() * value.element_size() > value.untyped_storage().nbytes()
    )
    for what, applies in unsupported.items():
        if applies:
            raise CheckpointError(f"{where} is a tensor {what}; dense real numbers are required")
    try:
        array = np.asarray(value.detach().double().numpy())
    except RuntimeError as error:
        kind = str(value.dtype).removeprefix("torch.")
        raise CheckpointError(f"{where} is a tensor of {kind}, which has no numbers") from error
    if not np.isfinite(array).all():
        raise CheckpointError(f"{where} contains numbers that are not finite")
    return array


class Type:
    """The type of NumPy's numbers in a file: code and order of bytes."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = str(state[1])

    def numbers(self, data: bytes | str) -> np.ndarray[Any, Any]:
        """The numbers in these bytes. Raises ValueError for a type that is no number."""
        kind = np.dtype(self.code)
        if kind.kind not in NUMBERS:
            raise ValueError(f"NumPy values of type {self.code}")
        if not isinstance(data, bytes | str):
            raise ValueError("NumPy values that are no bytes")
        raw = data.encode("latin1") if isinstance(data, str) else data
        if self.order == ">":
            kind = kind.newbyteorder(">")
        return np.frombuffer(raw, kind).astype(kind.newbyteorder("="))


class Array:
    """A NumPy array in a file."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def values(self) -> np.ndarray[Any, Any]:
        """Its numbers. Raises ValueError if they do not fill its shape."""
        _, shape, kind, columns_first, data = self.state
        numbers = np.asarray(kind.numbers(data))
        return numbers.reshape(shape, order="F" if columns_first else "C").copy()


def _number(kind: Type, data: Any = b"") -> Any:
    """A NumPy number: the plain number, or None for what is no number."""
    try:
        return kind.numbers(data)[0].item()
    except DAMAGE:
        return None


MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
# torch.load looks functions and types up here by the names that stand in files
STAND_INS: list[Any] = [
    (Type, "numpy.dtype"),
    (Array, "numpy.ndarray"),
    *((_number, f"{module}.scalar") for module in MODULES),
    *((Array, f"{module}._reconstruct") for module in MODULES),
]
