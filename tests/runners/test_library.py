"""Libraries that are rebuilt in place: the new one runs, and the old one goes on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from conftest import runs
from fixtures.staged import artifact_here
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.package import checksums
from delrec_compile.errors import InputError
from delrec_compile.runners.library import entry_points, load_library
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import toolchain


def compiled_to(path: Path, value: int) -> Path:
    source = path.with_suffix(".c")
    source.write_text(f"int net_value(void) {{ return {value}; }}\n")
    toolchain.run_cc("-fPIC", "-shared", source, "-o", path)
    return path


def test_a_path_is_read_anew_and_equal_bytes_are_loaded_once(tmp_path: Path) -> None:
    path = tmp_path / "libnet.so"
    old = load_library(compiled_to(path, 3))
    assert load_library(path) is old
    alone = load_library(path, shared=False)
    assert (alone is old, alone.net_value()) == (False, 3)
    path.unlink()
    new = load_library(compiled_to(path, 4))
    assert [lib.net_value() for lib in (old, new)] == [3, 4]
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if "libnet" in line]
    assert not [line for line in mapped if str(path) in line]


def test_what_does_not_load_is_one_line(tmp_path: Path) -> None:
    path = compiled_to(tmp_path / "libnet.so", 5)
    with refusal(InputError, r"libnet.so is not the file of this artifact; open the artifact", 3):
        load_library(path, "0" * 64)
    library = load_library(path)
    assert entry_points(library, "net", ["value"])["value"]() == 5
    with refusal(InputError, "the library of 'net' lacks an entry point: .*net_run", 3):
        entry_points(library, "net", ["run"])
    path.write_bytes(b"text")
    with refusal(InputError, "libnet.so does not load here", 3):
        load_library(path)
    with refusal(InputError, "absent.so does not load here: No such file", 3):
        load_library(tmp_path / "absent.so")


@pytest.mark.parametrize("target", ["x86_64", "portable_c"])
def test_a_network_rebuilt_in_its_folder_runs(target: str, tmp_path: Path) -> None:
    """One of other sizes, in the files of the first, whose session goes on."""
    if not runs("x86-64"):
        pytest.skip("the compiled library does not run on this machine")
    opened: dict[str, Session] = {}
    outdated = None
    for name in ("single", "mixed"):
        network = replace(cases.network(name), name="net")
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        (tmp_path / "out").mkdir()
        made = artifact_here(network, target, tmp_path / "out")
        manifest = replace(made.manifest, files=checksums(made.path))
        opened[name] = Session(Artifact(made.path, manifest))
        if outdated is not None:
            with refusal(InputError, "is not the file|differs from the file that was built", 3):
                Session(outdated)
        outdated = Artifact(made.path, manifest)
    for name, session in opened.items():
        x = cases.counts(cases.CASES[name], steps=30)
        want = TorchRunner(cases.network(name)).trace(x).y
        np.testing.assert_array_equal(session.outputs_of(x), want)
        assert session.self_test()
