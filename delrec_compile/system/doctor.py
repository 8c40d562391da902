"""Probes of every tool that a command may need, each with the command that installs it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delrec_compile.errors import DelrecError, ToolchainError, UsageError
from delrec_compile.system import child, nvrtc, process, toolchain, tvm_loader, versions
from delrec_compile.system.cluster_client import PACKAGES as DASK
from delrec_compile.system.extras import install
from delrec_compile.system.folders import work_folder

if TYPE_CHECKING:
    from delrec_compile.targets import Target

PACKAGES = (
    *("numpy", "torch", "onnx", "onnxruntime", "apache-tvm", "safetensors", "h5py", "scipy"),
    *("jinja2", "pyelftools", "typer", "rich", "tomli-w", "packaging"),
)


RPC = ("tornado", "psutil", "cloudpickle")


@dataclass(frozen=True)
class Finding:
    """A probe's result. needed_for: commands that need the tool. fix: command that installs it; empty
    where it works. required: whether a build for this machine needs it.
    """

    name: str
    ok: bool
    detail: str
    needed_for: str
    fix: str = ""
    required: bool = False

    @property
    def state(self) -> str:
        """ok, or what is wrong: missing, or not there and optional."""
        return "ok" if self.ok else "missing" if self.required else "optional"


def doctor() -> list[Finding]:
    """Probes everything; never raises."""
    single: list[Callable[[], Finding]] = [partial(_package, name) for name in PACKAGES]
    single += [_tvm_ffi, _compiler, _zig, _emulator, _wasmtime, _qemu, _cuda, _espeak, _flite]
    single += [_rpc, _dask, _ssh, _temporary, _home]
    found = [finding for probe in single for finding in _probed(probe)]
    return found + _probed(_other_versions) + _probed(_chosen_compilers) + _probed(_limit)


def _probed(probe: Callable[[], Finding | list[Finding]]) -> list[Finding]:
    """The findings, or one that says how the probe failed."""
    try:
        found = probe()
    except Exception as error:
        name = getattr(probe, "__name__", "package").strip("_").replace("_", " ")
        detail = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return [Finding(name, False, detail, "everything", "run it with --debug, report it")]
    return found if isinstance(found, list) else [found]


def missing(target: Target, among: Collection[str] = ()) -> list[str]:
    """Tools that a build for the target needs and this machine lacks.

    among: those that are looked for; empty: all.
    """
    tools = [tool for tool in target.tools if not among or tool in among]
    return [tool for tool in tools if not PROBES[tool]().ok]


def target_status(target: Target) -> dict[str, Any]:
    """A target as `targets --json` lists it. fix: installs each tool that is missing.

    flash_kb, ram_kb, clock_mhz: of the chip, None where it has an operating system or no figure.
    """
    lacking = missing(target)
    memory = target.memory
    return {
        "name": target.name,
        "summary": target.summary,
        "ready": not lacking,
        "missing": lacking,
        "fix": "; ".join(dict.fromkeys(PROBES[tool]().fix for tool in lacking)),
        "numeric": [str(mode) for mode in target.numeric],
        "how": target.how,
        "flash_kb": memory.flash[1] if memory else None,
        "ram_kb": memory.ram[1] if memory else None,
        "clock_mhz": target.clock_mhz,
    }


def _package(name: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        fix = f"pip install {name}"
        return Finding(name, False, "not installed", "everything", fix, required=True)
    if wrong := versions.wrong(name, version):
        return Finding(name, False, wrong[0], "everything", wrong[1], required=True)
    return Finding(name, True, version, "everything", required=True)


def _tvm_ffi() -> Finding:
    name, fix = "apache-tvm-ffi", "pip install 'apache-tvm-ffi>=0.1.14.post0,<0.1.15'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", "build", fix, required=True)
    if version.startswith("0.1.15"):
        detail = f"{version} crashes in tvm.ir.save_json"
        return Finding(name, False, detail, "build", fix, required=True)
    try:
        child.call("delrec_compile.system.doctor:save_json")
    except DelrecError as error:
        return Finding(name, False, f"{version}: {error}", "build", fix, required=True)
    if wrong := versions.wrong(name, version):
        return Finding(name, False, wrong[0], "build", wrong[1], required=True)
    return Finding(name, True, version, "build", required=True)


def _other_versions() -> list[Finding]:
    """A finding for each package of an extra that is installed in a wrong version."""
    known = {*PACKAGES, "apache-tvm-ffi", "ziglang", "unicorn", "wasmtime", *RPC, *DASK}
    return [
        Finding(name, False, detail, f"the extra [{extra}]", fix)
        for name, extra, detail, fix in versions.others(known)
    ]


def save_json() -> None:
    """In the child: an IR node as JSON, at which apache-tvm-ffi 0.1.15 crashes."""
    tvm_loader.load()
    import tvm

    tvm.ir.save_json(tvm.tirx.IntImm("int32", 1))


def _temporary() -> Finding:
    """The folder of temporary files, in which libraries are loaded."""
    name, needed = "temporary files", "everything"
    try:
        folder = tempfile.gettempdir()
    except OSError:
        detail, fix = "no folder can be written", "export TMPDIR=FOLDER of your own"
        return Finding(name, False, detail, needed, fix, required=True)
    chosen = os.environ.get("TMPDIR")
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        detail, fix = f"{folder} is mounted noexec", "export TMPDIR=FOLDER of another file system"
        return Finding(name, False, detail, needed, fix, required=True)
    if chosen and Path(chosen).absolute() != Path(folder).absolute():
        detail = f"TMPDIR is '{chosen}', which cannot be written: {folder} is used"
        return Finding(name, False, detail, needed, "unset TMPDIR")
    return Finding(name, True, folder, needed)


def _home() -> Finding:
    """The place of caches."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if cache == Path(tempfile.gettempdir()) / f"delrec-compile-{os.getuid()}":
        detail = f"no home that can be written: caches are in {cache}"
        return Finding("home", False, detail, "tune, caches", "export HOME=FOLDER of your own")
    chosen = os.environ.get("HOME")
    if chosen and not Path(chosen).is_dir():
        detail = f"HOME is '{chosen}', which is no folder: caches are made in {cache}"
        return Finding("home", False, detail, "tune, caches", "export HOME=FOLDER of your own")
    return Finding("home", True, str(cache), "tune, caches")


def _compiler() -> Finding:
    name, needed = "C compiler", "build"
    try:
        command = toolchain.cc()
        with work_folder() as folder:
            (folder / "x.c").write_text("int x(void) { return 3; }\n")
            toolchain.run_cc("-shared", "-fPIC", folder / "x.c", "-o", folder / "x.so")
    except ToolchainError:
        hint = toolchain.INSTALL_HINT
        return Finding(name, False, "none found", needed, hint, required=True)
    except DelrecError as error:
        detail = f"{' '.join(command)}: {error}"
        return Finding(name, False, detail, needed, toolchain.INSTALL_HINT, required=True)
    return Finding(name, True, " ".join(command), needed, required=True)


def _chosen_compilers() -> list[Finding]:
    """A finding for each of CC and CXX that is set and not found, so that another one is used."""
    chosen = {name: os.environ.get(name, "") for name in ("CC", "CXX")}
    return [
        Finding(name, False, f"'{text}' is not found: another is used", "build", f"unset {name}")
        for name, text in chosen.items()
        if text.strip() and not shutil.which([*toolchain.words(name), text][0])
    ]


def _limit() -> list[Finding]:
    """A finding for a limit of time that is no number of seconds."""
    try:
        process.limit_s(1.0)
    except UsageError as error:
        return [Finding(process.LIMIT, False, str(error), "everything", f"unset {process.LIMIT}")]
    return []


def _zig() -> Finding:
    try:
        version = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        fix = toolchain.CROSS_HINT
        return Finding("ziglang", False, "not installed", "build for other machines", fix)
    if wrong := versions.wrong("ziglang", version):
        return Finding("ziglang", False, wrong[0], "build for other machines", wrong[1])
    return Finding("ziglang", True, version, "build for other machines")


def _emulator() -> Finding:
    return _packages("emulator", ("unicorn",), "proof of builds for other machines")


def _wasmtime() -> Finding:
    return _packages("wasmtime", ("wasmtime",), "proof of builds for WebAssembly")


def _rpc() -> Finding:
    return _packages("RPC", RPC, "--device rpc://, devices tracker and serve", "rpc")


def _dask() -> Finding:
    return _packages("Dask", DASK, "train --sweep with --workers or --cluster", "cluster")


def _packages(name: str, packages: Sequence[str], needed: str, extra: str = "emu") -> Finding:
    found = []
    for package in packages:
        try:
            version = importlib.metadata.version(package)
            found.append(f"{package} {version}")
        except importlib.metadata.PackageNotFoundError:
            fix = install(extra)
            return Finding(name, False, f"{package} is not installed", needed, fix)
        if wrong := versions.wrong(package, version):
            return Finding(name, False, f"{package} {wrong[0]}", needed, wrong[1])
    return Finding(name, True, ", ".join(found), needed)


def _qemu() -> Finding:
    return _program("qemu", "qemu-system-arm", "proof of builds for Cortex-M55")


def _program(name: str, program: str, needed: str, package: str = "") -> Finding:
    """A program by its name, and the package of Debian that brings it, by default of the same name."""
    path = shutil.which(program)
    if path is None:
        fix = f"apt-get install {package or program}"
        return Finding(name, False, f"{program} not found", needed, fix)
    return Finding(name, True, path, needed)


def _cuda() -> Finding:
    name, needed = "CUDA compiler", "build for GPUs (runs without one)"
    try:
        compiler = nvrtc.find()
    except ToolchainError:
        return Finding(name, False, "neither NVRTC nor nvcc", needed, nvrtc.INSTALL_HINT)
    return Finding(name, True, compiler.name, needed)


def _espeak() -> Finding:
    return _program("espeak-ng", "espeak-ng", "data synth")


def _flite() -> Finding:
    return _program("flite", "flite", "data synth --synthesiser flite")


def _ssh() -> Finding:
    return _program("ssh", "ssh", "--device ssh://", "openssh-client")


PROBES: dict[str, Callable[[], Finding]] = {
    "cc": _compiler,
    "zig": _zig,
    "emulator": _emulator,
    "wasmtime": _wasmtime,
    "qemu": _qemu,
    "cuda": _cuda,
}
PROOF = ("emulator", "wasmtime", "qemu")  # those that run a target's code; the others build it
