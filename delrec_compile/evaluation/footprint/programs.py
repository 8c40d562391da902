"""The programs of a footprint: an artifact linked in three ways, and baselines in Python."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2

from delrec_compile.artifact.host_library import compile_library
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import (
    CompilerCrash,
    InputError,
    ToolchainError,
    UsageError,
    did_you_mean,
)
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import export
from delrec_compile.system import child, host, toolchain
from delrec_compile.system.chips import CORES


@dataclass(frozen=True)
class Kind:
    """A row of the footprint. packages: those that a Python baseline runs on; none for ours."""

    title: str
    packages: tuple[str, ...] = ()


# a baseline is a line here and a function of its name in `baseline.py`
KINDS = {
    "shared": Kind("bare C, shared library"),
    "static": Kind("bare C, static"),
    "static_musl": Kind("bare C, static, musl"),
    "onnxruntime": Kind("Python, ONNX Runtime", ("onnxruntime", "numpy")),
    "torch_eager": Kind("Python, PyTorch", ("torch", "numpy")),
    "tvm_default": Kind("Python, TVM's default build", ("apache-tvm", "apache-tvm-ffi", "numpy")),
}
NAMES = tuple(KINDS)
OURS = tuple(name for name, kind in KINDS.items() if not kind.packages)
CTYPES = {"float32": "float", "uint8": "uint8_t"}
FLAGS = ("-std=c11", "-O2", "-ffp-contract=off", "-ffunction-sections", "-Wl,--gc-sections", "-s")
SOURCE = "footprint.c.in"
BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
BOOT += "from delrec_compile.evaluation.footprint.baseline import main; "
BOOT += "main(sys.argv[2], sys.argv[3], {inputs})"


@dataclass(frozen=True)
class Program:
    """steps: rows of input per answer. counts: their dtype. skipped: why it could not be made."""

    name: str
    command: tuple[str, ...] = ()
    disk_bytes: int = 0
    steps: int = 1
    outputs: int = 0
    counts: str = "float32"
    skipped: str | None = None


def check_names(names: Sequence[str]) -> None:
    """Raises UsageError for a name that is not of NAMES."""
    for name in names:
        if name not in KINDS:
            near = did_you_mean(name, NAMES)
            raise UsageError(f"unknown row '{name}'{near}; allowed: {', '.join(NAMES)}")


def make_program(artifact: Artifact, network: Network, name: str, folder: Path) -> Program:
    """The program of a row of NAMES, made in `folder`.

    A row that lacks its tools, or a static C library, is skipped, but for the first of NAMES.
    Raises CompilerCrash.
    """
    try:
        if name not in OURS:
            return _baseline(network, name, folder)
        return _ours(artifact, name, folder)
    except ToolchainError as error:
        if name == NAMES[0]:
            raise
        return Program(name, skipped=str(error))
    except CompilerCrash as error:
        if name not in OURS[1:]:
            raise
        return Program(name, skipped=str(error))


def _ours(artifact: Artifact, name: str, folder: Path) -> Program:
    m, root = artifact.manifest, artifact.path
    source = folder / "footprint.c"
    text = (resources.files("delrec_compile.targets") / SOURCE).read_text()
    values = {"name": m.name, "macro": m.name.upper(), "counts": CTYPES[m.counts]}
    source.write_text(jinja2.Template(text, undefined=jinja2.StrictUndefined).render(values))
    out = folder / name
    triple = _musl(m.machine) if name == "static_musl" else ""
    library = (artifact.library or compile_library(root, m.name, folder)).absolute()
    linked: Sequence[Path] = [library]
    if name != "shared":
        linked = _static(artifact)
    includes = [f"-I{root / part}" for part in ("include", "src", "test")]
    # the library has a SONAME: the loader looks for it by that name, in these folders
    found = ["-Xlinker", "-rpath", "-Xlinker", str(library.parent)]
    form = ["-static"] if name != "shared" else found
    toolchain.run_cc(*FLAGS, *includes, *form, source, *linked, "-o", out, cross=triple)
    size = out.stat().st_size + (library.stat().st_size if name == "shared" else 0)
    return Program(name, (str(out),), size, m.steps_per_call, m.outputs, m.counts)


def _musl(machine: str) -> str:
    here = machine if machine != "any" else next((c for c in CORES if host.is_here(c)), "")
    core = CORES.get({"armv6l": "armv6", "armv7l": "armv7"}.get(here, here))
    if core is None:
        raise ToolchainError(f"no static C library is known for {machine}")
    return core.triple


def _static(artifact: Artifact) -> list[Path]:
    root = artifact.path
    if artifact.manifest.is_sources:
        return sorted(root.glob("src/*.c"))
    name = artifact.manifest.static_library
    if name is None:
        raise InputError(
            f"{root} has no static library: it is from an older version; build it again"
        )
    return [root / name]


def _baseline(network: Network, name: str, folder: Path) -> Program:
    source = folder / f"{name}.onnx"
    if name == "torch_eager":
        from delrec_compile.network import checkpoint

        source = checkpoint.save(network, folder / "network.safetensors")
    else:
        export(network, source)
    if name == "tvm_default":
        library = source.with_suffix(".so")
        where = "delrec_compile.evaluation.footprint.baseline:compile_tvm"
        child.call(where, model=str(source), library=str(library))
        source = library
    boot = BOOT.format(inputs=network.inputs)
    command = (sys.executable, "-P", "-c", boot, json.dumps(sys.path), name, str(source))
    size = sum(_installed(package) for package in KINDS[name].packages)
    return Program(name, command, size, outputs=network.outputs)


def _installed(package: str) -> int:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ToolchainError(f"{package} is not installed; pip install {package}") from error
    places = (Path(str(file.locate())) for file in files)
    return sum(place.stat().st_size for place in places if place.is_file())
