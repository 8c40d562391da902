"""The wheel: pip takes it, it needs NumPy alone, and its outputs are those of the reference."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import refusal
from numpy.typing import NDArray
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.packed import wheel
from delrec_compile.artifact.packed.contents import Contents
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.model import Network
from delrec_compile.ops.readout import decide

Built = Callable[[str], Artifact]
Words = tuple[NDArray[np.float32], NDArray[np.float32]]

# what a user does; y, spikes and classes go into a file
USE = """
import copy, pickle, sys
import numpy as np
import {name} as net
x = np.load(sys.argv[1])
stream, whole = net.Stream(), net.Stream()
first = [stream.step(row) for row in x[:5]]
kept = copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))
rest = stream.run(x[5:])
y, spikes = whole.trace(x)
assert all(np.array_equal(k.run(x[5:]), rest) and k.decision == stream.decision for k in kept)
assert np.array_equal(y, np.concatenate([first, rest])) and spikes.any() and spikes.max() == 1
for row in x:
    fresh = net.Stream()
    assert stream.classify(row[None]) == fresh.classify(row[None]), "a class forgets what was before"
assert stream.classify(x) == net.LABELS[stream.decision] and net.self_test() == 0
for wrong in (x[:, 1:], -1 - x, x + 0.5, x * np.nan, x + 256):
    try:
        stream.run(wrong)
    except ValueError as error:
        continue
    raise SystemExit(f"{{wrong}} was taken")
assert not [m for m in sys.modules if m.startswith(("torch", "delrec", "onnx", "tvm"))]
np.savez(sys.argv[2], y=y, spikes=spikes, decision=stream.decision, labels=net.LABELS)
"""


def test_pip_installs_what_numpy_runs(
    built: Built, network: Network, words: Words, tmp_path: Path
) -> None:
    name, raw = wheel.pack(Contents.of(built("x86_64")))
    (tmp_path / name).write_bytes(raw)
    options = ("--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check")
    pip = (sys.executable, "-m", "pip", "install", "-q", *options)
    subprocess.run([*pip, "--target", tmp_path / "site", tmp_path / name], check=True)
    x, want = words
    np.save(tmp_path / "x.npy", x)
    program = (sys.executable, "-c", USE.format(name=network.name))
    files = (tmp_path / "x.npy", tmp_path / "out.npz")
    subprocess.run([*program, *files], cwd=tmp_path / "site", check=True)
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(found["y"], want)
    assert tuple(found["labels"]) == network.labels
    assert found["decision"] == decide(network.readout.decision, want[:, None])[0]


def test_the_name_is_one_that_pip_takes_here(built: Built) -> None:
    artifact = built("x86_64")
    named = replace(artifact, manifest=replace(artifact.manifest, name="Two__Words"))
    name, _ = wheel.pack(Contents.of(named))
    project, version, _, tags = parse_wheel_filename(name)
    assert project == "two-words"
    assert re.fullmatch(r"b[0-9a-f]{8}", str(version).split("+")[1])
    assert tags & set(sys_tags())
    for taken in ("class", "numpy", "json"):
        bad = replace(artifact, manifest=replace(artifact.manifest, name=taken))
        with refusal(UnsupportedError, f"'{taken}': Python has that name; .* another --name", 4):
            wheel.pack(Contents.of(bad))


def test_another_build_of_a_network_is_another_version(built: Built, tmp_path: Path) -> None:
    """pip leaves what is installed where the version is the same."""
    artifact, root = built("x86_64"), tmp_path / "int8"
    shutil.copytree(artifact.path, root)
    other = replace(artifact, path=root)
    assert wheel.pack(Contents.of(other)) == wheel.pack(Contents.of(artifact))
    assert other.library is not None
    other.library.write_bytes(other.library.read_bytes() + b"0")
    assert wheel.pack(Contents.of(other))[0] != wheel.pack(Contents.of(artifact))[0]


def test_what_takes_sound_is_refused(listening: Built) -> None:
    with refusal(UnsupportedError, "a front end, and a wheel takes spikes alone; build it", 4):
        wheel.pack(Contents.of(listening("x86_64")))


def test_what_has_no_library_of_linux_is_refused(built: Built) -> None:
    with refusal(UnsupportedError, "no library of Linux .*; build it for x86_64 or arm_cpu", 4):
        wheel.pack(Contents.of(built("portable_c")))


@pytest.mark.parametrize(
    ("needed", "versions", "cpu", "tag"),
    [
        (set(), set(), "x86-64", "manylinux_2_17_x86_64"),
        ({"libc.so.6"}, {"GLIBC_2.2.5", "GLIBC_2.14"}, "x86-64", "manylinux_2_17_x86_64"),
        ({"libc.so.6", "libm.so.6"}, {"GLIBC_2.29"}, "x86-64", "manylinux_2_29_x86_64"),
        ({"libc.so.6"}, {"GLIBC_2.2.5"}, "x86-64-v3", "linux_x86_64"),
        ({"libstdc++.so.6"}, set(), "x86-64", "linux_x86_64"),
        ({"libc.so.6"}, {"GLIBC_PRIVATE"}, "x86-64", "linux_x86_64"),
    ],
)
def test_manylinux_is_said_where_it_holds(
    needed: set[str],
    versions: set[str],
    cpu: str,
    tag: str,
    built: Built,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = importlib.import_module("delrec_compile.artifact.packed.wheel")
    monkeypatch.setattr(module, "libraries_needed", lambda _: (needed, versions))
    m = replace(built("x86_64").manifest, llvm={"mcpu": cpu})
    assert wheel.platform_tag(m, Path("none.so")) == tag
