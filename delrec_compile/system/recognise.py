"""What a path is, told by its first bytes and its names, and the command that takes it.

Nothing of the file is run, and no more of it is read than its kind needs.
"""

from __future__ import annotations

import itertools
import os
import shlex
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from delrec_compile.bundled import NETWORKS
from delrec_compile.errors import did_you_mean
from delrec_compile.system import archive
from delrec_compile.system.fields import parse_json

PROGRAM = "delrec-compile"
MANIFEST = "manifest.json"
HEAD = 1 << 20  # bytes of an HDF5 file that hold the names of its first groups
MEMBERS = 400  # of an archive that are looked at
LARGEST_GRAPH = 1 << 31  # bytes: what protobuf reads


class Kind(StrEnum):
    """A kind of file, in words."""

    NETWORK = "a network"
    INTEGER = "the integer form of a network"
    TENSORS = "a safetensors file of tensors alone"
    STEP = "an ONNX step exported by this project"
    PLAIN_STEP = "an ONNX step of another source"
    GRAPH = "an ONNX graph without state"
    ARTIFACT = "an artifact"
    PLAIN_ARTIFACT = "an artifact of a plain ONNX step"
    ARCHIVE = "a packed artifact"
    NIR = "a NIR graph"
    LAVA = "a network of lava-dl"
    CHECKPOINT = "a checkpoint of PyTorch"
    PICKLE = "a pickle, which can run code when opened"
    EVENTS = "an HDF5 file of spike events"
    HDF5 = "an HDF5 file of another kind"
    SAMPLES = "a file of samples"
    ARRAYS = "a file of arrays without counts"
    PROFILE = "a TOML file"
    PYTHON = "Python code"
    SOURCE = "C source text"
    TEXT = "text"
    PROGRAM = "a compiled program or library"
    ZIP = "an archive"
    FOLDER = "a folder without an artifact"
    EMPTY = "an empty file"
    BUNDLED = "the name of a bundled network"
    MISSING = "missing"
    UNREADABLE = "not readable"
    OTHER = "a file of an unknown kind"


GRAPHS = (Kind.STEP, Kind.PLAIN_STEP, Kind.GRAPH)


@dataclass(frozen=True)
class Found:
    """A path and its kind. detail: more about it, such as the reason why it cannot be read."""

    path: str
    kind: Kind
    detail: str = ""

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return Path(self.path).stem or "network"

    def words(self) -> str:
        """What the path is: `a.nir is a NIR graph`."""
        if self.kind is Kind.MISSING:
            return f"{self.path}: no such file{self.detail}"
        if self.kind is Kind.UNREADABLE:
            return f"{self.path} cannot be read ({self.detail})"
        return f"{self.path} is {self.kind}{self.detail}"

    def use(self) -> str:
        """What to do with such a path; empty where nothing is known."""
        text = USES.get(self.kind, "")
        path, name = shlex.quote(self.path), shlex.quote(f"{self.stem}.safetensors")
        return text.format(path=path, name=name, stem=self.stem)


USES = {
    Kind.NETWORK: "build it: delrec-compile build {path}",
    Kind.INTEGER: "it is a part of an artifact: pass the artifact's folder",
    Kind.TENSORS: "it holds no neurons: import takes 'module:function', a function that returns "
    "the model with these tensors loaded",
    Kind.STEP: "run it: delrec-compile run {path}; to build, pass the network that it was exported from",
    Kind.PLAIN_STEP: "build it: delrec-compile build {path}",
    Kind.GRAPH: "a step has its state as inputs past_<name> and outputs present_<name>",
    Kind.ARTIFACT: "run it: delrec-compile run {path}",
    Kind.PLAIN_ARTIFACT: "check it: delrec-compile check {path}",
    Kind.ARCHIVE: "unpack it: tar xf {path}",
    Kind.NIR: "convert it: delrec-compile import {path} -o {name}",
    Kind.LAVA: "convert it: delrec-compile import {path} -o {name}",
    Kind.CHECKPOINT: "convert it: delrec-compile import {path} -o {name}",
    Kind.PICKLE: "it is not opened: save the tensors with safetensors, or a state dict with torch.save",
    Kind.EVENTS: "it holds samples, which --input takes: delrec-compile data info {path}",
    Kind.SAMPLES: "it holds samples, which --input takes: delrec-compile data info {path}",
    Kind.ARRAYS: "samples are an array 'counts' (samples, steps, inputs)",
    Kind.HDF5: "NIR graphs, networks of lava-dl and spike events are read",
    Kind.PROFILE: "--target takes a device's profile, 'train --config' a recipe",
    Kind.PYTHON: "import takes '{stem}:function', a function that returns a model",
    Kind.FOLDER: "make an artifact with 'delrec-compile build'",
    Kind.EMPTY: "copy it again",
    Kind.BUNDLED: "build it: delrec-compile build {path}",
}


def wrong_file(path: Path | str, needed: str) -> str:
    """The error of a command that takes other files. needed: what it takes, such as `a network`."""
    found = recognise(path)
    use = found.use()
    return f"{found.words()}; {needed} is required{'; ' if use else ''}{use}"


def no_artifact(path: Path, why: object) -> str:
    """The error of a path whose manifest cannot be read. why: the reason, of a folder."""
    if not path.is_dir():
        return wrong_file(path, "an artifact's folder")
    return (
        f"{path} is not an artifact of this project ({MANIFEST}: {why}); "
        f"make one with '{PROGRAM} build'{recognise(path).detail}"
    )


def recognise(path: Path | str) -> Found:
    """What the path is; never raises."""
    text = str(path)
    if text in NETWORKS and not Path(text).exists():
        return Found(text, Kind.BUNDLED)
    try:
        return _of_path(Path(path))
    except OSError as error:
        return Found(text, Kind.UNREADABLE, error.strerror or "damaged")
    except (ValueError, RuntimeError, EOFError, zipfile.BadZipFile):
        return Found(text, Kind.OTHER)


def _of_path(path: Path) -> Found:
    if not os.path.lexists(path):
        return Found(str(path), Kind.MISSING, _near(path))
    if path.is_dir():
        return Found(str(path), *_folder(path))
    if not path.is_file():
        broken = path.is_symlink() and not path.exists()
        why = "a link to nothing" if broken else "neither a file nor a folder"
        return Found(str(path), Kind.UNREADABLE, why)
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return Found(str(path), Kind.EMPTY)
    for magic, kind in MAGIC:
        if head.startswith(magic):
            return Found(str(path), kind(path, head) if callable(kind) else kind)
    return Found(str(path), _by_content(path, head))


def _near(path: Path) -> str:
    """The nearest name beside a missing one, as a question."""
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    known = [str(p) for p in beside if not p.name.startswith(".")]
    return did_you_mean(str(path), known if len(path.parts) > 1 else [*known, *NETWORKS])


def _folder(path: Path) -> tuple[Kind, str]:
    try:
        data = parse_json((path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        inside = sorted(p for p in path.iterdir() if (p / MANIFEST).is_file())
        hint = f" ({len(inside)} inside it, such as {inside[0]})" if inside else ""
        return Kind.FOLDER, hint
    return (Kind.PLAIN_ARTIFACT if _is_plain(data) else Kind.ARTIFACT), ""


def _is_plain(manifest: object) -> bool:
    return isinstance(manifest, dict) and manifest.get("form") == "plain"


def _hdf5(path: Path, head: bytes) -> Kind:
    """By the names of its groups as they stand in the file: the HDF5 library is not called."""
    if b"spikes" in head and (b"units" in head or b"times" in head):
        return Kind.EVENTS
    if b"layer" in head and b"vThMant" in head:
        return Kind.LAVA
    nodes = b"edges" in head or b"nodes" in head
    return Kind.NIR if path.suffix == ".nir" or (b"version" in head and nodes) else Kind.HDF5


def _zip(path: Path, _: bytes) -> Kind:
    with zipfile.ZipFile(path) as file:
        names = file.namelist()[:MEMBERS]
    if any(n.endswith("/data.pkl") for n in names):
        return Kind.CHECKPOINT
    if {"counts.npy", "x.npy", "arr_0.npy"} & {*names}:
        return Kind.SAMPLES
    return Kind.ARRAYS if any(n.endswith(".npy") for n in names) else Kind.ZIP


def _gzip(path: Path, _: bytes) -> Kind:
    with archive.opened(path) as file:
        names = (Path(member.name).name for member in itertools.islice(file, MEMBERS))
        return Kind.ARCHIVE if MANIFEST in names else Kind.ZIP


def _pickle(path: Path, head: bytes) -> Kind:
    """The old form of torch.save begins with a pickle of its own number."""
    return Kind.CHECKPOINT if path.suffix in (".pt", ".pth") and len(head) > 1 else Kind.PICKLE


Sniffer = Callable[[Path, bytes], Kind]
MAGIC: tuple[tuple[bytes, Kind | Sniffer], ...] = (
    (b"\x89HDF\r\n\x1a\n", _hdf5),
    (b"PK\x03\x04", _zip),
    (b"\x1f\x8b", _gzip),
    (b"\x93NUMPY", Kind.SAMPLES),
    (b"\x7fELF", Kind.PROGRAM),
    (b"\0asm", Kind.PROGRAM),
    (b"!<arch>\n", Kind.PROGRAM),
    (b"MZ", Kind.PROGRAM),
)
SUFFIXES = {
    ".toml": Kind.PROFILE,
    ".py": Kind.PYTHON,
    ".c": Kind.SOURCE,
    ".h": Kind.SOURCE,
    ".cu": Kind.SOURCE,
    ".csv": Kind.SAMPLES,
}
FORMATS = {
    "delrec.network/1": Kind.NETWORK,
    "delrec.network/2": Kind.NETWORK,
    "delrec.integer/1": Kind.INTEGER,
    "delrec.integer/2": Kind.INTEGER,
}


def _by_content(path: Path, head: bytes) -> Kind:
    """Kinds whose first bytes are no mark of their own."""
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length <= path.stat().st_size - 8:
        return _safetensors(path, length)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return _pickle(path, head)
    if path.suffix == ".onnx" or head[:1] == b"\x08":
        return _onnx(path)
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < HEAD - 4:  # else the last letter is cut
            return Kind.OTHER
    printable = not any(byte < 9 for byte in head)
    return SUFFIXES.get(path.suffix, Kind.TEXT) if printable else Kind.OTHER


def _onnx(path: Path) -> Kind:
    """The project's own step, another one, or no step."""
    if path.stat().st_size >= LARGEST_GRAPH:
        return Kind.OTHER
    import onnx

    try:
        proto = onnx.load_model_from_string(path.read_bytes())
        inputs = [str(v.name) for v in proto.graph.input]
        own = any(str(p.key) == "delrec.format_version" for p in proto.metadata_props)
    except Exception:  # protobuf raises kinds of its own, and names may be no text
        return Kind.OTHER
    if not (proto.graph.node and proto.graph.output):
        return Kind.OTHER
    if own:
        return Kind.STEP
    return Kind.PLAIN_STEP if any(name.startswith("past_") for name in inputs) else Kind.GRAPH


def _safetensors(path: Path, length: int) -> Kind:
    with path.open("rb") as file:
        file.seek(8)
        header = parse_json(file.read(min(length, HEAD << 6)))
    meta = header.get("__metadata__") if isinstance(header, dict) else None
    name = meta.get("format") if isinstance(meta, dict) else None
    return FORMATS.get(str(name), Kind.TENSORS)
