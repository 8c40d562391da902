"""Manifests: the same JSON back, every key checked, and artifacts read from disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.manifests import folder_of, manifest, typed
from helpers import refusal

from delrec_compile.artifact.manifest import (
    FILE,
    Form,
    Manifest,
    load_artifact,
)
from delrec_compile.artifact.package import measured
from delrec_compile.errors import InputError
from delrec_compile.system.fields import SEAL, sealed_text

CUDA = {
    "form": "cuda",
    "library": "lib/libnet.so",
    "arch": "sm_80",
    "compiler": "NVRTC 12.4",
    "kernels": ["net_kernel_run"],
    "threads": 32,
    "shared_bytes": 0,
    "tables": {"w": {"offset": 0, "elements": 3, "dtype": "float32"}},
}
LIBRARY = {"form": "library", "library": "lib/libnet.so", "static_library": "lib/libnet.a"}
CHIP = {"core": "cortex_m4", "image": "test/net.elf", "flash_bytes": 9, "ram_bytes": None}


@pytest.mark.parametrize("changed", [{}, LIBRARY, CUDA, CHIP])
def test_json_comes_back_as_it_was(changed: dict[str, Any]) -> None:
    """Keys of other forms are absent; all of its own are there."""
    data = Manifest.from_json(manifest(**changed)).to_json()
    assert {key: data[key] for key in changed} == changed
    assert Manifest.from_json(json.loads(json.dumps(data))).to_json() == data
    assert ("static_library" in data) == (changed is LIBRARY)
    assert ("arch" in data) == (changed is CUDA)
    assert ("core" in data) == (changed is not CUDA)
    assert ("flash_bytes" in data) == (changed is CHIP)


def test_what_a_manifest_knows() -> None:
    m = typed()
    assert m.neurons == (4, 5)
    assert m.state_bytes == 76
    assert [v.name for v in m.state] == ["hist", "l0_v", "l1_v", "out_v"]
    assert m.counts_dtype.itemsize == 1
    assert (m.is_sources, m.is_gpu, m.is_integer) == (True, False, False)
    assert m.main_file == "src/net.c"
    assert m.runs_here
    assert m.cpu == "any"
    assert not replace(m, form=Form.CUDA).runs_here
    assert not replace(m, machine="pdp11").runs_here
    assert typed(numeric="int8", llvm={"mcpu": "rocketlake"}).is_integer
    assert typed(llvm={"mcpu": "rocketlake"}).cpu == "rocketlake"


def test_layers_are_in_order_where_their_names_are_not() -> None:
    """`l10_v` sorts before `l2_v`, as in a manifest.json, whose keys are sorted."""
    state = {
        f"l{i}_v": {"elements": i + 1, "dtype": "float32", "offset": 64 * i} for i in range(12)
    }
    assert typed(state=dict(sorted(state.items()))).neurons == tuple(range(1, 13))


def test_populations_are_in_order_after_a_file() -> None:
    data = typed(populations=(10800, 2700, 800)).to_json()
    assert Manifest.from_json(json.loads(sealed_text(data))).neurons == (10800, 2700, 800)


REQUIRED = ["name", "target", "steps_per_call", "inputs", "outputs", "library", "state"]


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_is_named(key: str) -> None:
    data = {k: v for k, v in manifest().items() if k != key}
    with refusal(InputError, f"key '{key}' is missing", 3):
        Manifest.from_json(data)


@pytest.mark.parametrize(
    ("key", "value", "needed"),
    [
        ("inputs", "many", "an integer"),
        ("inputs", 3.0, "an integer"),
        ("inputs", True, "an integer"),
        ("inputs", 0, "at least 1"),
        ("name", None, "a string"),
        ("form", "tape", "one of library, sources, cuda, plain"),
        ("numeric", "int4", "one of float32, int16, int8"),
        ("library", 3, "a string or null"),
        ("dt_ms", "10", "a number"),
        ("exact_grids", [15, "x"], "a list, each item an integer"),
        ("files", {"a": 1}, "an object"),
        ("state", 3, "an object"),
        ("state", {"l0_v": {"elements": 4}}, "variable 'l0_v': key 'dtype' is missing"),
        ("state", {"l0_v": 4}, "variable 'l0_v'"),
        ("tuning", [1], "an object or null"),
        ("populations", {"a": 3}, "a list, each item an integer"),  # the order of keys is lost
    ],
)
def test_a_wrong_value_is_named(key: str, value: Any, needed: str) -> None:
    with refusal(InputError, f"key '{key}'.*{needed}", 3):
        Manifest.from_json(manifest(**{key: value}))


def test_a_replaced_value_is_checked_too() -> None:
    with refusal(InputError, "key 'outputs' is 'x'; an integer is required", 3):
        replace(typed(), outputs="x")  # type: ignore[arg-type]


def test_an_artifact_is_read_with_its_files_checked(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", {"src/net.c": b"int x;"})
    artifact = load_artifact(folder)
    assert artifact.library is artifact.integer is None
    assert artifact.archive == tmp_path / "a.tar.gz"
    assert measured(artifact) == {}
    (folder / "measured.json").write_text('{"check": 1}')
    assert measured(artifact) == {"check": 1}
    (folder / "measured.json").write_text("[]")
    assert measured(artifact) == {}
    (folder / "src/net.c").write_bytes(b"int y;")
    with refusal(InputError, "net.c is missing or differs from the file that was built", 3):
        load_artifact(folder)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "JSON|Expecting|expecting"),
        ("[]", "schema is not"),
        ('{"schema": "delrec.artifact/2"}', "schema is not 'delrec.artifact/1'"),
        (json.dumps(manifest(inputs="x")), "key 'inputs' is 'x'"),
        (json.dumps(manifest()), "key 'files' lacks src/net.c"),
        (json.dumps(manifest(library="../evil.so")), "key 'files' lacks ../evil.so"),
    ],
)
def test_another_manifest_is_refused(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with refusal(InputError, f"is not an artifact of this project .*({why}).*'.* build'", 3):
        load_artifact(tmp_path)


STATE = manifest()["state"]


@pytest.mark.parametrize(
    ("edited", "why"),
    [
        ({"inputs": 4}, "key 'inputs' is 4; in the C header: 3"),
        ({"outputs": 1}, "key 'outputs' is 1; in the C header: 2"),
        ({"steps_per_call": 2}, "key 'steps_per_call' is 2; in the C header: 1"),
        ({"counts": "float32"}, "key 'counts' is 'float32'; in the C header: 'uint8_t'"),
        ({"counts": "xx"}, "key 'counts' is 'xx'; in the C header: 'uint8_t'"),
        ({"state": {**STATE, "l0_v": {**STATE["l0_v"], "elements": 3}}}, "key 'neurons' is 8"),
        ({"state": {**STATE, "hist": {**STATE["hist"], "elements": 9}}}, "key 'state' is not the"),
        ({"state": {**STATE, "hist": {**STATE["hist"], "offset": 4}}}, "key 'state' is not the"),
        ({"state": {**STATE, "out_v": {**STATE["out_v"], "dtype": "int32"}}}, "'state' is not the"),
        ({"state": {**STATE, "out_v": {**STATE["out_v"], "offset": -8}}}, "at least 0 is needed"),
        ({"state": {**STATE, "out_v": {**STATE["out_v"], "elements": -1}}}, "at least 0 is needed"),
        (
            {"state": {**STATE, "out_v": {**STATE["out_v"], "dtype": "O"}}},
            "'dtype' is 'O'; allowed",
        ),
        ({"form": "cuda", "outputs": 20, "library": "src/net.c"}, "key 'outputs' is 20"),
        ({"name": "other", "library": "src/net.c"}, "key 'files' lacks include/other.h"),
        ({"image": "../net.elf", "core": "cortex_m4"}, r"\.\./net.elf is not in the folder"),
        ({"static_library": "/tmp/libnet.a"}, "/tmp/libnet.a is not in the folder"),
    ],
)
def test_an_edited_manifest_is_not_that_of_the_code(
    edited: dict[str, Any], why: str, tmp_path: Path
) -> None:
    load_artifact(folder_of(tmp_path / "as_built", {"src/net.c": b""}))
    folder = folder_of(tmp_path / "a", {"src/net.c": b""}, **edited)
    with refusal(InputError, f"is not an artifact of this project .*{why}.*make one with", 3):
        load_artifact(folder)


@pytest.mark.parametrize("form", ["absolute", "parent", "link"])
def test_a_library_outside_the_folder_is_refused(form: str, tmp_path: Path) -> None:
    outside = tmp_path / "evil.so"
    outside.write_bytes(b"evil")
    name = {"absolute": str(outside), "parent": "../evil.so", "link": "lib/libnet.so"}[form]
    folder = folder_of(tmp_path / "a", {name: b"evil"}, form="library", library=name)
    if form == "link":
        (folder / name).unlink()
        (folder / name).symlink_to(outside)
    with refusal(InputError, f"{name} is not in the folder", 3):
        load_artifact(folder)


def test_a_link_to_an_artifact_is_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder_of(tmp_path / "a", {"src/net.c": b""}))
    assert load_artifact(tmp_path / "link").manifest.outputs == 2


def test_a_layer_without_a_grid_is_null() -> None:
    values = manifest(exact_grids=[None, 15])
    made = Manifest.from_json(values)
    assert made.exact_grids == (None, 15)
    assert made.to_json()["exact_grids"] == [None, 15]


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A folder whose manifest has its checksum."""
    folder = folder_of(tmp_path / "net", {"src/net.c": b"int a;\n"})
    data = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(sealed_text(data))
    return folder


def test_an_edited_manifest_is_refused(sealed: Path) -> None:
    load_artifact(sealed)
    data = json.loads((sealed / FILE).read_text())
    (sealed / FILE).write_text(json.dumps({**data, "outputs": 1}))
    with pytest.raises(InputError, match=r"manifest.json differs from its own checksum"):
        load_artifact(sealed)
    del data[SEAL]
    (sealed / FILE).write_text(json.dumps(data))
    load_artifact(sealed)


def test_no_flipped_bit_is_another_artifact(sealed: Path) -> None:
    """Each byte of manifest.json, one bit of it: refused, or the same manifest."""
    raw, want = (sealed / FILE).read_bytes(), load_artifact(sealed).manifest
    bits = np.random.default_rng(7).integers(8, size=len(raw))
    for at in range(len(raw)):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << int(bits[at])
        (sealed / FILE).write_bytes(damaged)
        try:
            got = load_artifact(sealed).manifest
        except InputError:
            continue
        assert got == want, at
