"""Artifacts of plain ONNX steps: their manifest and their reader."""

from __future__ import annotations

from pathlib import Path

from fixtures.manifests import folder_of, manifest
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.artifact.plain import (
    PlainArtifact,
    PlainManifest,
    load_any,
    load_plain_artifact,
)
from delrec_compile.errors import InputError

PLAIN = {
    "form": "plain",
    "library": "lib/libnet.so",
    "kernels": 7,
    "calls": 9,
    "state": {"past_h": {"elements": 3, "dtype": "int64"}},
}


def test_json_of_a_plain_step() -> None:
    data = PlainManifest.from_json(manifest(**PLAIN)).to_json()
    assert data["state"] == PLAIN["state"]
    assert (data["kernels"], data["calls"], data["form"]) == (7, 9, "plain")
    assert not {"counts", "dt_ms", "schedule", "offset"} & set(data)


def test_sources_have_the_keys_of_a_chip_where_there_is_one() -> None:
    sources = manifest(**{**PLAIN, "library": None})
    assert not {"core", "image", "flash_bytes", "memory"} & set(
        PlainManifest.from_json(sources).to_json()
    )
    chip = {"core": "cortex_m7", "image": "test/net.elf", "flash_bytes": 9, "ram_bytes": 8}
    made = PlainManifest.from_json({**sources, **chip})
    assert made.is_sources
    assert made.main_file == f"src/{made.name}.c"
    assert chip.items() <= made.to_json().items()


def test_each_kind_of_artifact_has_its_reader(tmp_path: Path) -> None:
    network = folder_of(tmp_path / "a", {"src/net.c": b""})
    plain = folder_of(tmp_path / "b", {"lib/libnet.so": b""}, **PLAIN)
    step = load_plain_artifact(plain)
    assert step.library == plain / "lib/libnet.so"
    assert step.manifest.kernels == 7
    assert isinstance(load_artifact(network), Artifact)
    assert (type(load_any(network)), type(load_any(plain))) == (Artifact, PlainArtifact)
    edited = folder_of(tmp_path / "c", {"lib/libnet.so": b""}, **PLAIN, outputs=20)
    with refusal(InputError, "key 'outputs' is 20; in the C header: 2", 3):
        load_plain_artifact(edited)
    with refusal(InputError, "is a plain ONNX step; .*PlainSession", 3):
        load_artifact(plain)
    with refusal(InputError, "is not a plain ONNX step; use Session", 3):
        load_plain_artifact(network)
