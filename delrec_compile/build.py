"""Network + target -> artifact folder, written whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import importlib.metadata
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile import targets
from delrec_compile.aliases import Progress
from delrec_compile.data.events import Events
from delrec_compile.errors import InputError, UnsupportedError
from delrec_compile.glue import c_name
from delrec_compile.network import checkpoint
from delrec_compile.network.golden import golden_hash
from delrec_compile.network.grid import grids
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import export
from delrec_compile.system import child, nvrtc, toolchain
from delrec_compile.system.files import sha256, write_atomic
from delrec_compile.tuning_store import Store

SCHEMA = "delrec.artifact/1"
PLAIN = "plain"  # the form of an artifact of a plain ONNX step
TOOLS = ("delrec-compile", "apache-tvm", "torch", "onnx", "numpy")


@dataclass(frozen=True)
class Artifact:
    """A built network on disk."""

    path: Path
    manifest: dict[str, Any]

    @property
    def library(self) -> Path | None:
        """The shared library; None where the artifact is C sources."""
        name = self.manifest["library"]
        return self.path / str(name) if name else None

    @property
    def integer(self) -> IntegerNetwork | None:
        """What the artifact computes in int16 or int8; None in float32."""
        if self.manifest.get("numeric", "float32") == "float32":
            return None
        return integer_checkpoint.load(self.path / integer_checkpoint.NAME)

    @property
    def archive(self) -> Path:
        return self.path.with_name(self.path.name + ".tar.gz")


def build(
    network: Network,
    target: str = "x86_64",
    out: Path | str | None = None,
    *,
    numeric: str = "float32",
    calibrate: Events | None = None,
    unroll: int = 1,
    cpu: str | None = None,
    tuned: bool = True,
    db: Path | str | None = None,
    force: bool = False,
    dump: Path | None = None,
    progress: Progress = lambda _: None,
) -> Artifact:
    """Exports, compiles in a child process, links and packs the artifact.

    out: folder, by default `<network>-<target>`. numeric: float32, int16 or int8; the integer modes
    are calibrated on words of training or validation, if given. unroll: time steps per call of
    `step`. cpu: LLVM
    name of the CPU in place of the one found here, such as `x86-64-v3`, or a GPU's architecture.
    tuned: take the schedule that `tune` found for this, if it did. db: the store it is kept in.
    dump: where each phase of the lowering is written. Raises UnsupportedError, InputError,
    ToolchainError, CompilerCrash.
    """
    profile = targets.load(target)
    if numeric not in profile.numeric:
        raise UnsupportedError(
            f"target '{profile.name}' has no numeric mode '{numeric}'; "
            f"allowed: {', '.join(profile.numeric)}"
        )
    if unroll < 1:
        raise UnsupportedError(f"--unroll {unroll}: at least 1 time step per call is needed")
    name = c_name(network.name)
    out = _named(Path(out) if out is not None else Path(_default(name, profile.name, numeric)))
    vacant(out, force)
    toolchain.cc(profile.triple or profile.core)
    if profile.generator == "cuda":
        nvrtc.known_arch(nvrtc.find(), cpu or profile.arch)
    with staging(out) as stage:
        progress("exporting to ONNX and proving it against PyTorch")
        checkpoint.save(network, stage / "network.safetensors")
        export(network, stage / "model.onnx", unroll=unroll)
        golden = golden_hash(network)
        if numeric != "float32":
            progress(f"quantising to {numeric}")
            whole = quantise(network, numeric, calibrate)
            integer_checkpoint.save(whole, stage / integer_checkpoint.NAME)
            golden = golden_hash(whole)
        progress(f"compiling for {profile.name} with TVM")
        facts = child.call(
            "delrec_compile.assemble:assemble",
            stage=str(stage),
            target=target if target.endswith(".toml") else profile.name,
            name=name,
            unroll=unroll,
            cpu=cpu,
            dump=str(dump) if dump else None,
            db=str(Store(db).folder) if tuned else None,
        )
        manifest = _manifest(network, stage, profile.name, numeric, name, unroll, golden, facts)
        progress("packing")
        return installed(stage, out, manifest)


def _default(name: str, target: str, numeric: str) -> str:
    return f"{name}-{target}" if numeric == "float32" else f"{name}-{target}-{numeric}"


def _named(out: Path) -> Path:
    return out if out.name not in ("", "..") else out.resolve()


def load_artifact(path: Path | str, plain: bool = False) -> Artifact:
    """Reads an artifact folder and checks every file's checksum.

    plain: whether it is that of a plain ONNX step. Raises InputError.
    """
    path = Path(path)
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        files = dict(manifest["files"])
        main = manifest["library"] or f"src/{manifest['name']}.c"
        if manifest["schema"] != SCHEMA or main not in files:
            raise ValueError(f"schema '{manifest['schema']}', needed '{SCHEMA}' and its main file")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not an artifact of this project (manifest.json: {error}); "
            "make one with 'delrec-compile build'"
        ) from error
    if (manifest.get("form") == PLAIN) != plain:
        fit = "'check', 'bench' and PlainSession are" if not plain else "Session is"
        what = "a plain ONNX step" if not plain else "no plain ONNX step"
        raise InputError(f"{path} is {what}; {fit} for it")
    for name, checksum in files.items():
        file = path / name
        if not file.is_file() or sha256(file) != checksum:
            raise InputError(f"{file} is missing or not the file that was built; build it again")
    return Artifact(path, manifest)


def vacant(out: Path, force: bool) -> None:
    """Refuses an output that exists, or that `force` must not replace."""
    archive = out.with_name(out.name + ".tar.gz")
    if not force:
        for path in (out, archive):
            if path.exists() or path.is_symlink():
                raise InputError(
                    f"{path} exists; add --force to replace it, or name another with -o"
                )
    elif (out.exists() or out.is_symlink()) and not _replaceable(out):
        raise InputError(f"{out} is not an artifact, so --force does not replace it; name another")


def _replaceable(out: Path) -> bool:
    """An empty folder, or an artifact; nothing else is deleted, whatever was asked."""
    if out.is_symlink() or not out.is_dir():
        return False
    if not any(out.iterdir()):
        return True
    try:
        manifest = json.loads((out / "manifest.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("schema") == SCHEMA


def _manifest(
    network: Network,
    stage: Path,
    target: str,
    numeric: str,
    name: str,
    unroll: int,
    golden: str,
    facts: dict[str, Any],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "name": name,
        "target": target,
        "numeric": numeric,
        "steps_per_call": unroll,
        "dt_ms": network.dt_ms,
        "inputs": network.inputs,
        "outputs": network.outputs,
        "exact_grids": list(grids(network)),
        "source_sha256": checkpoint.digest(network),
        "golden_sha256": golden,
        **facts,
        "tools": tools(),
        "files": checksums(stage),
    }


def tools() -> dict[str, str]:
    """What an artifact is made with, and their versions."""
    return {tool: importlib.metadata.version(tool) for tool in TOOLS}


def checksums(folder: Path) -> dict[str, str]:
    """sha256 of each file, by its path in the folder."""
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return {file: sha256(folder / file) for file in files}


@contextlib.contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A folder beside the output, gone afterwards unless it was installed."""
    parent = out.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=parent, prefix=f".{out.name}."))
        stage.chmod(0o755)
    except OSError as error:
        raise InputError(
            f"cannot write in {parent}: {error.strerror}; name another folder with -o"
        ) from error
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def installed(stage: Path, out: Path, manifest: dict[str, Any]) -> Artifact:
    """The stage with its manifest in the place of `out`, and its archive beside it."""
    (stage / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    install(stage, out)
    artifact = Artifact(out, manifest)
    write_atomic(artifact.archive, packed(out))
    return artifact


def install(stage: Path, out: Path) -> None:
    """Moves a finished folder into place; an old one is set aside first and then removed."""
    old = stage.with_name(stage.name + ".old")
    try:
        if out.exists():
            out.replace(old)
        stage.replace(out)
    except OSError as error:
        if old.exists():
            old.replace(out)
        raise InputError(f"cannot write {out}: {error.strerror}") from error
    shutil.rmtree(old, ignore_errors=True)


def packed(folder: Path) -> bytes:
    """The folder as .tar.gz without times, owners or modes: equal files, equal bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = tar.gettarinfo(path, f"{folder.name}/{path.relative_to(folder)}")
            info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
            info.mode = 0o644
            with path.open("rb") as file:
                tar.addfile(info, file)
    return gzip.compress(raw.getvalue(), mtime=0)
