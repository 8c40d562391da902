"""Artifacts: the same bytes each time, checked when read, and written whole or not at all."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from helpers import refusal, tree

from delrec_compile.aliases import Numeric
from delrec_compile.artifact.abi import c_name
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.compiler.assemble import assemble
from delrec_compile.compiler.build import build
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import (
    CompilerCrash,
    InputError,
    ParityError,
    ToolchainError,
    UnsupportedError,
    UsageError,
)
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.schema import load_model
from delrec_compile.runners.session import Session
from delrec_compile.system import child, toolchain

NETWORK = "conv3"

module = importlib.import_module("delrec_compile.compiler.build")


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, Artifact]:
    """The same network built twice, in other folders, under other file modes."""
    out = []
    for umask in (0o022, 0o077):
        before = os.umask(umask)
        try:
            root = tmp_path_factory.mktemp(f"umask_{umask:o}")
            out.append(build(cases.network("mixed"), out=root / "mixed"))
        finally:
            os.umask(before)
    return out[0], out[1]


@pytest.fixture
def artifact(twice: tuple[Artifact, Artifact], tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(twice[0].path, tmp_path / "copy"))


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds without a child, which is slower to start than to compile."""

    def call(function: str, **arguments: Any) -> Any:
        assert function == "delrec_compile.compiler.assemble:assemble"
        return json.loads(json.dumps(assemble(**arguments)))

    monkeypatch.setattr(child, "call", call)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


# What an artifact is. ------------------------------------------------------------------------------


def test_equal_inputs_give_equal_bytes(twice: tuple[Artifact, Artifact]) -> None:
    a, b = twice
    files = {k.removeprefix(str(a.path)): v for k, v in tree(a.path).items()}
    assert files == {k.removeprefix(str(b.path)): v for k, v in tree(b.path).items()}
    assert a.archive.read_bytes() == b.archive.read_bytes()
    assert a.manifest == b.manifest


def test_the_archive_holds_the_folder(twice: tuple[Artifact, Artifact], tmp_path: Path) -> None:
    with tarfile.open(twice[0].archive) as tar:
        assert {m.mode for m in tar} == {0o644}
        tar.extractall(tmp_path, filter="data")
    assert load_artifact(tmp_path / "mixed").manifest == twice[0].manifest


def test_the_manifest_says_what_was_built(twice: tuple[Artifact, Artifact]) -> None:
    built = load_artifact(twice[0].path)
    m, network = built.manifest, cases.network("mixed")
    assert m == twice[0].manifest
    assert (m.name, m.target) == ("mixed", "x86_64")
    assert m.to_json()["schema"] == "delrec.artifact/1"
    assert m.neurons == tuple(layer.size for layer in network.layers)
    assert (m.inputs, m.outputs, m.steps_per_call) == (14, 5, 1)
    assert m.source_sha256 == checkpoint.digest(network)
    assert m.library_bytes == built.library.stat().st_size
    assert all(isinstance(q, int) for q in m.exact_grids)
    assert set(m.files) == {
        "include/mixed.h",
        "include/mixed.hpp",
        "lib/cmake/mixed/mixed-config-version.cmake",
        "lib/cmake/mixed/mixed-config.cmake",
        "lib/libmixed.a",
        "lib/libmixed.so",
        "lib/pkgconfig/mixed.pc",
        "model.onnx",
        "network.safetensors",
    }
    assert checkpoint.digest(checkpoint.load(built.path / "network.safetensors")) == (
        m.source_sha256
    )
    assert load_model(built.path / "model.onnx").metadata["source_sha256"] == m.source_sha256


def test_a_built_library_runs(twice: tuple[Artifact, Artifact]) -> None:
    session = Session(twice[1].path)
    assert session.self_test()
    network, x = cases.network("mixed"), cases.counts(cases.CASES["mixed"])
    state = network.reset()
    for have, row in zip(session.run(x[:, 0]), x, strict=True):
        y, state = network.step(row, state)
        np.testing.assert_array_equal(have, y[0])


def test_unrolled_steps_and_dumps(tmp_path: Path, in_process: None) -> None:
    said: list[str] = []
    built = build(
        cases.network(NETWORK),
        out=tmp_path / "k5",
        unroll=5,
        dump=tmp_path / "dump",
        progress=said.append,
    )
    assert built.manifest.steps_per_call == 5
    assert load_model(built.path / "model.onnx").unroll == 5
    assert Session(built).x.shape == (5, 14)
    assert len(list((tmp_path / "dump").iterdir())) == 3
    assert said[-1] == "packing"


def test_the_header_is_plain_c_and_cpp(twice: tuple[Artifact, Artifact], tmp_path: Path) -> None:
    source = tmp_path / "use.c"
    source.write_text('#include "mixed.h"\nint main(void) { return mixed_state_bytes() < 0; }\n')
    flags = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    include = ["-I", str(twice[0].path / "include"), str(source)]
    subprocess.run([*toolchain.cc(), "-std=c11", *flags, *include], check=True)
    if shutil.which("c++"):
        subprocess.run(["c++", "-std=c++17", "-x", "c++", *flags, *include], check=True)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("a b-c", "a_b_c"), ("3 words!", "n_3_words_"), ("ü", "_"), ("", "n_"), ("int", "int")],
)
def test_any_name_makes_a_c_identifier(name: str, identifier: str) -> None:
    assert c_name(name) == identifier


def test_a_network_of_any_name_builds(tmp_path: Path, in_process: None) -> None:
    network = replace(cases.network(NETWORK), name='3 words: ü/ö "*/\n')
    built = build(network, out=tmp_path / "odd")
    assert Session(built).self_test()


# What build refuses, and that nothing is left behind. ----------------------------------------------


def test_unknown_words(tmp_path: Path) -> None:
    network = cases.network(NETWORK)
    for options, message in (
        ({"target": "x86_46"}, "unknown target 'x86_46'; did you mean 'x86_64'"),
        ({"numeric": "int4"}, "'x86_64' has no numeric mode 'int4'; allowed: float32, int16, int8"),
    ):
        with refusal(UnsupportedError, message, 4, tmp_path):
            build(network, out=tmp_path / "out", **options)  # type: ignore[arg-type]
    with refusal(UsageError, "unroll=0: at least 1", 2, tmp_path):
        build(network, out=tmp_path / "out", unroll=0)
    with refusal(UsageError, r"float32 is not calibrated: omit calibrate=\.\.\.", 2, tmp_path):
        build(network, out=tmp_path / "out", calibrate=read_samples("samples"))


def test_a_dump_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("")
    with refusal(InputError, "text.txt is a file; name a folder", 3):
        build(cases.network(NETWORK), out=tmp_path / "out", dump=file)
    assert list(tmp_path.iterdir()) == [file]


def test_an_unknown_cpu_comes_back_from_the_child(tmp_path: Path) -> None:
    with refusal(UnsupportedError, "unknown CPU 'znver44'.*did you mean 'znver4'", 4, tmp_path):
        build(cases.network(NETWORK), out=tmp_path / "out", cpu="znver44")


def test_no_compiler(tmp_path: Path, no_compiler: None) -> None:
    with refusal(ToolchainError, r"no C compiler .*pip install", 5, tmp_path):
        build(cases.network(NETWORK), out=tmp_path / "out")


def test_a_dead_compiler(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = child.call
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("log")))
    monkeypatch.setattr(
        child, "call", lambda *_, **__: call("system.test_child:die", signal_number=11)
    )
    with refusal(CompilerCrash, "died with signal SIGSEGV", 9, tmp_path):
        build(cases.network(NETWORK), out=tmp_path / "out")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ParityError("no")])
def test_an_interrupted_build_keeps_the_old_artifact(
    error: Any, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(child, "call", stop)
    before = tree(artifact.parent)
    with pytest.raises((KeyboardInterrupt, ParityError)):
        build(cases.network(NETWORK), out=artifact, force=True)
    assert tree(artifact.parent) == before
    load_artifact(artifact)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("a file")
    for out in (plain / "out", plain / "deep" / "out", Path("/proc/delrec/out")):
        with refusal(InputError, f"cannot write in {out.parent}: .*out=", 3, tmp_path):
            build(cases.network(NETWORK), out=out)


def test_an_output_that_exists_needs_force(artifact: Path, in_process: None) -> None:
    with refusal(
        InputError, "copy exists; add force=True to replace it, or choose", 3, artifact.parent
    ):
        build(cases.network(NETWORK), out=artifact)
    built = build(cases.network(NETWORK), out=artifact, force=True)
    assert load_artifact(artifact).manifest.name == NETWORK
    assert not (artifact / "include/mixed.h").exists()
    assert sorted(p.name for p in artifact.parent.iterdir()) == ["copy", "copy.tar.gz"]
    assert built.archive.name == "copy.tar.gz"


def test_force_keeps_what_is_not_of_the_artifact(artifact: Path) -> None:
    (artifact / "notes.txt").write_text("the only copy")
    with refusal(InputError, "copy holds notes.txt, not of the artifact", 3, artifact.parent):
        build(cases.network(NETWORK), out=artifact, force=True)


def test_what_is_not_proven_is_not_put_into_place(artifact: Path, in_process: None) -> None:
    def differs(staged: Artifact) -> bool:
        assert load_artifact(staged.path).manifest == staged.manifest
        (staged.path / "measured.json").write_text("{}")
        raise ParityError(f"{staged.library} differs")

    network = cases.network(NETWORK)
    message = f"^{artifact}/lib/lib{NETWORK}.so differs$"
    with refusal(ParityError, message, 6, artifact.parent):
        build(network, out=artifact, force=True, prove=differs)
    for proven in (True, False):
        built = build(network, out=artifact, force=True, prove=lambda _: proven)  # noqa: B023
        assert load_artifact(artifact).manifest.proven is built.manifest.proven is proven


def test_the_working_folder_may_be_rebuilt(
    artifact: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(artifact)
    build(cases.network(NETWORK), out=".", force=True)
    assert load_artifact(artifact).manifest.name == NETWORK
    assert sorted(p.name for p in artifact.parent.iterdir()) == ["copy", "copy.tar.gz"]


def test_a_folder_is_named_after_network_and_target(
    tmp_path: Path, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert build(cases.network(NETWORK)).path == Path(f"{NETWORK}-x86_64")


# What is refused when an artifact is read. ---------------------------------------------------------


def files(path: Path) -> Iterator[Path]:
    return (p for p in sorted(path.rglob("*")) if p.is_file() and p.name != "manifest.json")


def test_a_flipped_bit_in_any_file_is_noticed(artifact: Path) -> None:
    spoilt = 0
    for file in files(artifact):
        raw = file.read_bytes()
        changed = bytearray(raw)
        changed[len(raw) // 2] ^= 1
        file.write_bytes(changed)
        with refusal(
            InputError, f"{file.name} is missing or differs from the file .*build it again", 3
        ):
            load_artifact(artifact)
        file.unlink()
        with refusal(InputError, f"{file.name} is missing", 3):
            load_artifact(artifact)
        file.write_bytes(raw)
        spoilt += 1
    assert spoilt == len(load_artifact(artifact).manifest.files) == 9
    load_artifact(artifact)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", "{}"),
        '{"schema": "delrec.artifact/1", "files": 3, "library": "a"}',
        '{"schema": "delrec.artifact/2", "files": {"a": "b"}, "library": "a"}',
        '{"schema": "delrec.artifact/1", "files": {"a": "b"}, "library": "../evil.so"}',
    ],
)
def test_a_damaged_manifest(text: str, artifact: Path) -> None:
    (artifact / "manifest.json").write_text(text)
    with refusal(InputError, "not an artifact of this project .*delrec-compile build", 3):
        load_artifact(artifact)


def test_what_is_no_artifact(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with refusal(
            InputError, "is not an artifact of this project|no such file|is an empty file", 3
        ):
            load_artifact(path)


def test_builds_of_other_options_lie_beside_each_other() -> None:
    every = {
        module.default_folder("net", "x86_64", mode, cpu, unroll)
        for mode in (Numeric.FLOAT32, Numeric.INT8)
        for cpu in (None, "x86-64-v3")
        for unroll in (1, 8)
    }
    assert len(every) == 8
    assert {"net-x86_64", "net-x86_64-x86-64-v3-unroll8-int8"} <= every
