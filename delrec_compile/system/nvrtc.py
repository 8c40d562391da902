"""CUDA source -> PTX and cubin, without a GPU: by NVRTC, the compiler as a library, or by nvcc.

NVRTC comes from pip, from PyTorch's CUDA wheels or from a toolkit; it needs neither driver nor
header files.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.errors import CompilerCrash, ToolchainError, UnsupportedError, did_you_mean
from delrec_compile.system.extras import install
from delrec_compile.system.folders import work_folder
from delrec_compile.system.process import limit_s, run_program, timeout_message

INSTALL_HINT = install("cuda")
# every product is rounded before it is added, as on every other target
FLAGS = ("--fmad=false",)
PLACES = ("nvidia.cuda_nvrtc", "nvidia.cu13")
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class DeviceCode:
    """Device code of one architecture, and PTX that newer GPUs compile for themselves."""

    ptx: str
    cubin: bytes
    compiler: str


class Nvrtc:
    """NVRTC, by its few functions that are required here."""

    def __init__(self, path: str) -> None:
        self.lib = ctypes.CDLL(path)
        self.lib.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("Version", ctypes.byref(major), ctypes.byref(minor))
        self.version = f"{major.value}.{minor.value}"

    @property
    def name(self) -> str:
        return f"NVRTC {self.version}"

    def archs(self) -> list[str]:
        count = ctypes.c_int()
        self._call("GetNumSupportedArchs", ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        self._call("GetSupportedArchs", numbers)
        return [f"sm_{n}" for n in numbers]

    def compile(self, source: str, name: str, arch: str) -> DeviceCode:
        program = ctypes.c_void_p()
        text, file = source.encode(), f"{name}.cu".encode()
        self._call("CreateProgram", ctypes.byref(program), text, file, 0, None, None)
        try:
            options = [o.encode() for o in (*FLAGS, f"--gpu-architecture={arch}")]
            array = (ctypes.c_char_p * len(options))(*options)
            if self.lib.nvrtcCompileProgram(program, len(options), array) != 0:
                log = self._bytes(program, "ProgramLog").decode(errors="replace")
                raise CompilerCrash(f"{self.name} rejected {name}.cu: {_first_error(log)}")
            ptx = self._bytes(program, "PTX").rstrip(b"\0").decode()
            return DeviceCode(ptx, self._bytes(program, "CUBIN"), self.name)
        finally:
            self.lib.nvrtcDestroyProgram(ctypes.byref(program))

    def _bytes(self, program: Any, output: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"Get{output}Size", program, ctypes.byref(size))
        out = ctypes.create_string_buffer(size.value)
        self._call(f"Get{output}", program, out)
        return out.raw

    def _call(self, function: str, *arguments: Any) -> None:
        code = getattr(self.lib, f"nvrtc{function}")(*arguments)
        if code != 0:
            why = self.lib.nvrtcGetErrorString(code).decode()
            raise CompilerCrash(f"nvrtc{function} failed: {why}")


class Nvcc:
    """The toolkit's compiler, where there is one."""

    def __init__(self, path: str) -> None:
        self.path = path
        release = re.search(r"release ([\d.]+)", self._run("--version").stdout)
        self.version = release[1] if release else "unknown"

    @property
    def name(self) -> str:
        return f"nvcc {self.version}"

    def archs(self) -> list[str]:
        return re.findall(r"sm_\w+", self._run("--list-gpu-code").stdout)

    def compile(self, source: str, name: str, arch: str) -> DeviceCode:
        with work_folder() as folder:
            file = folder / f"{name}.cu"
            file.write_text(source)
            files = {}
            for kind in ("ptx", "cubin"):
                out = file.with_suffix(f".{kind}")
                options = (*FLAGS, f"-arch={arch}", f"--{kind}", "-o", str(out), str(file))
                done = self._run(*options)
                if done.returncode:
                    error = _first_error(done.stderr)
                    raise CompilerCrash(f"{self.name} rejected {name}.cu: {error}")
                files[kind] = out.read_bytes()
        return DeviceCode(files["ptx"].decode(), files["cubin"], self.name)

    def _run(self, *options: str) -> subprocess.CompletedProcess[str]:
        limit = limit_s(TIMEOUT_S)
        try:
            return run_program([self.path, *options], limit)
        except subprocess.TimeoutExpired as error:
            raise CompilerCrash(timeout_message("nvcc", limit, "")) from error


Compiler = Nvrtc | Nvcc


def find() -> Compiler:
    """NVRTC from pip, from the system, else nvcc. Raises ToolchainError."""
    for path in _libraries():
        try:
            return Nvrtc(path)
        except (OSError, AttributeError):
            continue
    nvcc = shutil.which("nvcc")
    if nvcc is not None:
        return Nvcc(nvcc)
    raise ToolchainError(f"no compiler for CUDA found (looked for NVRTC and nvcc); {INSTALL_HINT}")


def known_arch(compiler: Compiler, arch: str) -> str:
    """The architecture. Raises UnsupportedError when the compiler does not know it."""
    known = compiler.archs()
    if arch not in known:
        raise UnsupportedError(
            f"unknown GPU architecture '{arch}'{did_you_mean(arch, known)}; "
            f"{compiler.name} allows: {', '.join(known)}"
        )
    return arch


def entries(ptx: str) -> list[str]:
    """Names of the kernels in PTX text."""
    return re.findall(r"^\s*(?:\.visible\s+)?\.entry\s+(\w+)", ptx, flags=re.M)


def _libraries() -> list[str]:
    libraries = []
    for package in PLACES:
        try:
            spec = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            continue
        for root in (spec.submodule_search_locations or []) if spec else []:
            libraries += sorted(map(str, Path(root).glob("lib/libnvrtc.so.*")))
    installed = ctypes.util.find_library("nvrtc")
    return [*libraries, *([installed] if installed else [])]


def _first_error(log: str) -> str:
    lines = log.strip().splitlines() or ["no message"]
    return next((line for line in lines if "error" in line), lines[0])
