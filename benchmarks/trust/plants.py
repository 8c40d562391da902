"""Row 16: what is missing, wrong or broken on a machine is named by `doctor`, with what mends it."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

from benchmarks.trust import commands
from benchmarks.trust.row import Result, Scale

SECONDS = 10.0  # of the processor; it takes about two
HOOK = """
import importlib.metadata as metadata, importlib.util as util, os
hidden = set(filter(None, os.environ.get("TRUST_HIDDEN", "").split(",")))
versions = dict(v.split("=") for v in filter(None, os.environ.get("TRUST_VERSIONS", "").split(",")))
real_version, real_spec = metadata.version, util.find_spec
def version(name):
    if name in hidden:
        raise metadata.PackageNotFoundError(name)
    return versions.get(name) or real_version(name)
def find_spec(name, *rest):
    return None if name.split(".")[0] in hidden else real_spec(name, *rest)
metadata.version, util.find_spec = version, find_spec
"""
# variable, its value, and a finding that has to be no longer ok
PLANTS = (
    ("TRUST_HIDDEN", "torch", "torch"),
    ("TRUST_HIDDEN", "onnxruntime", "onnxruntime"),
    ("TRUST_HIDDEN", "ziglang", "ziglang"),
    ("TRUST_HIDDEN", "unicorn", "emulator"),
    ("TRUST_HIDDEN", "wasmtime", "wasm"),
    ("TRUST_VERSIONS", "onnx=1.15.0", "onnx"),
    ("TRUST_VERSIONS", "torch=2.5.0", "torch"),
    ("TRUST_VERSIONS", "apache-tvm=0.25.0", "apache-tvm"),
    ("TRUST_VERSIONS", "apache-tvm-ffi=0.1.15", "tvm-ffi"),
    ("CC", "/nonexistent/cc", "CC"),
    ("TMPDIR", "/nonexistent", "temporary files"),
    ("HOME", "/nonexistent", "home"),
)


def measure(folder: Path, scale: Scale) -> Result:
    """Each plant: the finding of its name is not ok, and a command mends it."""
    result = Result()
    (folder / "sitecustomize.py").write_text(HOOK)
    python = os.pathsep.join([str(folder), commands.environment()["PYTHONPATH"]])
    for variable, value, name in PLANTS[:: scale.of(1, 4)]:
        started = _used()
        changed = {variable: value, "PYTHONPATH": python}
        done = commands.run("doctor", "--json", cwd=folder, changed=changed)
        took = _used() - started
        findings = json.loads(done.out)["findings"]
        seen = [f for f in findings if name in f["name"] and not f["ok"] and f["fix"]]
        fault = None if seen else f"{variable}={value}: '{name}' is not told"
        if took > SECONDS:
            fault = f"{variable}={value}: doctor took {took:.0f} s"
        result.count("named" if seen else "missed", fault)
    return result


def _used() -> float:
    """Seconds of the processor that ended children took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
