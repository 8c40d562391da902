"""Where each runtime lives: an environment of its own, made by pip or npm. What it makes of files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS = 900  # for all files of a runtime
HERE = "here"  # the environment of this process


@dataclass(frozen=True)
class Runtime:
    """environment: folder of its packages, shared by runtimes that name the same. engine: of
    `engine.ENGINES`, where it is not of the same name. package: whose version counts. also: what else
    its environment needs. variables: of its process. npm: its packages are of Node.js.
    """

    name: str
    environment: str
    package: str
    engine: str = ""
    also: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    npm: bool = False
    version: str = ""


RUNTIMES = (
    Runtime("onnxruntime", HERE, "onnxruntime"),
    Runtime("onnxruntime_ort_format", HERE, "onnxruntime"),
    Runtime(
        "onnxruntime_oldest", "oldest", "onnxruntime", "onnxruntime", ("numpy<2",), version="1.15.0"
    ),
    Runtime("onnxruntime_node", "node", "onnxruntime-node", npm=True),
    Runtime("onnxruntime_web", "node", "onnxruntime-web", npm=True),
    Runtime("reference", HERE, "onnx"),
    Runtime("newer_opset", HERE, "onnx"),
    Runtime("onnxslim", "slim", "onnxslim", also=("onnxruntime",)),
    Runtime("onnxsim", "slim", "onnxsim", also=("onnxruntime",)),
    Runtime("tvm", HERE, "apache-tvm"),
    Runtime("tract", "tract", "tract"),
    Runtime("openvino", "openvino", "openvino"),
    Runtime("opencv", "opencv", "opencv-python-headless"),
    Runtime("mnn", "mnn", "MNN"),
    Runtime("emx_onnx_cgen", "emx", "emx-onnx-cgen"),
    # without FMA, which rounds a product and a sum once
    Runtime("iree", "iree", "iree-base-compiler", also=("iree-base-runtime",)),
    Runtime(
        "jaxonnxruntime", "jax", "jaxonnxruntime", also=("absl-py",),
        variables=(("XLA_FLAGS", "--xla_cpu_max_isa=AVX"),),
    ),
    Runtime("onnx2torch", "executorch", "onnx2torch", also=("executorch",)),
    Runtime("torch_compile", "executorch", "torch", also=("onnx2torch", "executorch")),
    Runtime("executorch", "executorch", "executorch", also=("onnx2torch",)),
    Runtime("litert", "onnx2tf", "onnx2tf", also=("ai-edge-litert",)),
    Runtime("ncnn", "ncnn", "ncnn", also=("pnnx",)),
    Runtime("tinygrad", "tinygrad", "tinygrad", variables=(("DEV", "CPU"),)),
    Runtime("onnx2c", HERE, "onnx2c"),
)  # fmt: skip


def make(runtime: Runtime, folder: Path) -> None:
    """Makes the environment of a runtime, or adds its packages. Raises CalledProcessError."""
    where = folder / runtime.environment
    pinned = f"{runtime.package}=={runtime.version}" if runtime.version else runtime.package
    if runtime.npm:
        where.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", pinned], cwd=where, check=True)
    elif runtime.environment != HERE:
        if not where.exists():
            venv.create(where, with_pip=True)
        install = ["-m", "pip", "install", "-q", "numpy", "onnx", pinned, *runtime.also]
        subprocess.run([where / "bin" / "python", *install], check=True)


def version(runtime: Runtime, folder: Path) -> str | None:
    """The version of a runtime; None where it is not installed."""
    where = folder / runtime.environment
    try:
        if runtime.npm:
            package = where / "node_modules" / runtime.package / "package.json"
            return str(json.loads(package.read_text())["version"])
        if runtime.environment == HERE:
            return metadata.version(runtime.package)
    except (OSError, metadata.PackageNotFoundError):
        return None
    places = [str(p) for p in where.glob("lib/python3*/site-packages")]
    found = metadata.distributions(name=runtime.package, path=places)
    return next((each.version for each in found), None)


def try_files(runtime: Runtime, folder: Path, files: Sequence[Path]) -> list[dict[str, Any]]:
    """What a runtime makes of each file, in processes of its own."""
    where = folder / runtime.environment
    variables = {**os.environ, **dict(runtime.variables)}
    places, python = [str(ROOT)], Path(sys.executable)
    if runtime.npm:
        variables["NODE_PATH"] = str(where / "node_modules")
    elif runtime.environment != HERE:
        python = where / "bin" / "python"
    else:
        places += filter(None, [os.environ.get("PYTHONPATH")])
    variables["PYTHONPATH"] = os.pathsep.join(places)
    variables["PATH"] = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    command = [str(python), "-m", "benchmarks.runtimes.engine", runtime.engine or runtime.name]
    return rows_of(command, files, variables)


def rows_of(
    command: Sequence[str],
    files: Sequence[Path],
    variables: dict[str, str],
    seconds: float = SECONDS,
) -> list[dict[str, Any]]:
    """The lines that a command prints of files; where it dies it is started again after the file."""
    rows: list[dict[str, Any]] = []
    while len(rows) < len(files):
        rest = files[len(rows) :]
        lines, end = _lines([*command, *map(str, rest)], variables, seconds)
        rows += lines[: len(rest)]
        if len(lines) < len(rest):
            rows.append({"file": rest[len(lines)].stem, "verdict": "dies", "why": end})
    return rows


def _lines(
    command: Sequence[str], variables: dict[str, str], seconds: float
) -> tuple[list[dict[str, Any]], str]:
    """The JSON objects that a process prints, and how it ended."""
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, check=False, timeout=seconds
        )
        out, code = done.stdout, done.returncode
        end = signal.Signals(-code).name if code < 0 else f"exit {code}"
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        end = ": ".join([end, *(line[:200] for line in last)])
    except subprocess.TimeoutExpired as error:
        out, end = error.stdout or b"", f"no answer in {seconds:g} s"
    text = out.decode(errors="replace").splitlines()
    return [json.loads(line) for line in text if line.startswith('{"file"')], end
