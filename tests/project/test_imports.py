"""What an import brings along: heavy packages load where they are required, and only there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "tvm", "onnx", "onnxruntime", "jinja2", "scipy", "h5py", "safetensors", "typer")
MAX_MODULES = 16

SHOW = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
OPS = """
import importlib, pkgutil
from delrec_compile import ops
for m in pkgutil.iter_modules(ops.__path__):
    importlib.import_module(f"delrec_compile.ops.{m.name}")
"""


def loaded(code: str) -> set[str]:
    """Modules that a fresh interpreter holds after some code."""
    command = [sys.executable, "-c", code + SHOW]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import delrec_compile", ()),
        ("import delrec_compile.cli", ()),
        ("import delrec_compile.runners", ()),
        ("import delrec_compile.runners.session", ()),
        ("import delrec_compile.runners.gpu", ()),
        ("import delrec_compile.artifact.manifest", ()),
        ("from delrec_compile import targets; from delrec_compile.network import model, grid", ()),
        ("import delrec_compile.network.checkpoint", ("safetensors",)),
        ("import delrec_compile.system.child, delrec_compile.system.worker", ()),
        (OPS, ()),
    ],
)
def test_light_imports_stay_light(code: str, allowed: tuple[str, ...]) -> None:
    assert set(HEAVY) & loaded(code) <= set(allowed)


REFUSED = """
import sys
from delrec_compile.cli import main
sys.argv = ["delrec-compile", "train", "nothing", "-o", "net.safetensors"]
try:
    main()
except SystemExit as end:
    assert end.code == 3
"""


def test_a_refused_training_loads_no_torch() -> None:
    assert not {"torch", "tvm", "onnx"} & loaded(REFUSED)


@pytest.mark.parametrize("module", ["runners", "runners.session"])
def test_running_loads_little_of_the_package(module: str) -> None:
    own = {
        m for m in loaded(f"import delrec_compile.{module}") if m.split(".")[0] == "delrec_compile"
    }
    assert len(own) <= MAX_MODULES, sorted(own)
    assert not {m for m in own if m.split(".")[1:2] in (["compiler"], ["evaluation"], ["cli"])}
