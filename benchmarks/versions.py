"""The oldest or the newest packages that pyproject.toml allows: installed, and tests run with them.

    python -m benchmarks.versions lowest     # or newest

Needs uv, of the extra `supply`. PyTorch's CPU build is looked for at $UV_FIND_LINKS too. Exits with
the code of pytest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
EXTRAS = ("cross", "emu", "cuda", "nir", "rpc", "cluster", "plots")
TORCH = "torch==2.13.0+cpu"  # the build on PyPI brings gigabytes of CUDA along
TOOLS = ("pytest>=8.2", "hypothesis>=6.100", "pyyaml>=6")
# every package is called by at least one of them
TESTS = (
    *("tests/data", "tests/network", "tests/ops", "tests/interop/nir", "tests/evaluation/page"),
    *("tests/system/test_doctor.py", "tests/system/test_elf.py", "tests/system/test_zig.py"),
    *("tests/system/test_cluster_client.py", "tests/system/test_cluster_crew.py"),
    *("tests/artifact/test_manifest.py", "tests/runners/test_onnxruntime.py"),
    *("tests/runners/test_gpu.py", "tests/runners/devices/test_rpc.py", "tests/runners/emulated"),
)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("which", choices=RESOLUTIONS)
    parser.add_argument(
        "tests", nargs="*", default=TESTS, help="tests in place of those named here"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="delrec-versions-") as name:
        folder = Path(name)
        python = installed(folder, RESOLUTIONS[given.which])
        line = [str(python), "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={name}/tests"]
        line += ["-W", "ignore::DeprecationWarning"]  # old packages call what newer ones give up
        own = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        return subprocess.run([*line, *given.tests], cwd=ROOT, env=own, check=False).returncode


def installed(folder: Path, resolution: str) -> Path:
    """The interpreter of an environment with the package and its extras. Prints the versions."""
    needs, torch = folder / "needs.txt", folder / "torch.txt"
    torch.write_text(f"{TORCH}\n")
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    how = ("--resolution", resolution, "--no-header", "--no-annotate", "--quiet", "-o", needs)
    _uv("pip", "compile", ROOT / "pyproject.toml", *extras, "--overrides", torch, *how)
    print(needs.read_text(), flush=True)
    environment = folder / "environment"
    _uv("venv", "--quiet", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    into = ("pip", "install", "--quiet", "--python", python)
    _uv(*into, "--requirement", needs, *TOOLS)
    _uv(*into, "--no-deps", "--editable", ROOT)
    return python


def _uv(*words: str | Path) -> None:
    subprocess.run([UV, *words], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
