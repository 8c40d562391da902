"""Damaged files of every kind: each is read as it stands or refused, and nothing else is raised.

`DELREC_MUTATIONS=1000 pytest tests/matrix/test_damaged_files.py` tries many more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cases
import nir
import numpy as np
import onnx
import pytest
import torch
from fixtures.manifests import folder_of
from fixtures.nir_graphs import two
from fixtures.plain_steps import CELL, written

from delrec_compile import targets
from delrec_compile.aliases import Numeric
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import DelrecError
from delrec_compile.interop.source import import_model
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.network.onnx_step.schema import load_model
from delrec_compile.plain_onnx.step_graph import read
from delrec_compile.system.recognise import recognise
from delrec_compile.training import config_file

MUTATIONS = int(os.environ.get("DELREC_MUTATIONS", "12"))
NETWORK = cases.network("mixed")


def network(folder: Path) -> Path:
    return checkpoint.save(NETWORK, folder / "file.safetensors")


def whole_network(folder: Path) -> Path:
    return integer.save(quantise(NETWORK, Numeric.INT8), folder / "file.safetensors")


def step(folder: Path) -> Path:
    onnx.save(model_of(NETWORK), folder / "file.onnx")
    return folder / "file.onnx"


def manifest(folder: Path) -> Path:
    return folder_of(folder, {"src/net.c": b"int a;\n"}) / "manifest.json"


def profile(folder: Path) -> Path:
    text = (Path(targets.__file__).parent / "cortex_m4.toml").read_bytes()
    (folder / "file.toml").write_bytes(text)
    return folder / "file.toml"


def recipe(folder: Path) -> Path:
    (folder / "file.toml").write_text('epochs = 3\nrecurrence = "conv"\n')
    return folder / "file.toml"


def weights(folder: Path) -> Path:
    state = {"layers.0.weight": torch.ones(4, 3), "layers.0.bias": torch.zeros(4)}
    state |= {"layers.1.weight": torch.ones(2, 4), "layers.1.bias": torch.zeros(2)}
    torch.save({"net": state, "epoch": 1}, folder / "file.pth")
    return folder / "file.pth"


def graph(folder: Path) -> Path:
    nir.write(folder / "file.nir", two())
    return folder / "file.nir"


def counts(folder: Path) -> Path:
    np.savez(folder / "file.npz", counts=np.ones((3, 5, 4), np.uint8), labels=np.arange(3))
    return folder / "file.npz"


Make, Load = Callable[[Path], Path], Callable[[Path], Any]
FILES: dict[str, tuple[Make, Load]] = {
    "network": (network, checkpoint.load),
    "integer network": (whole_network, integer.load),
    "ONNX step": (step, load_model),
    "plain ONNX step": (lambda folder: written(CELL, folder / "file.onnx"), read),
    "manifest": (manifest, lambda path: load_artifact(path.parent)),
    "target": (profile, lambda path: targets.load(str(path))),
    "recipe": (recipe, lambda path: config_file.read(path, {"epochs": int, "recurrence": str})),
    "checkpoint": (weights, lambda path: import_model(path, recipe="delrec-ssc")),
    "NIR graph": (graph, lambda path: import_model(path, dt_ms=1.0)),
    "samples": (counts, read_samples),
}


def mutations(raw: bytes, number: int) -> Iterator[bytes]:
    """Bits flipped, bytes set, cut, doubled and moved, and text that is nested or huge."""
    random = np.random.default_rng(2604)
    for k in range(number):
        data, at = bytearray(raw), int(random.integers(len(raw)))
        size = int(random.integers(1, 9))
        match k % 6:
            case 0:
                data[at] ^= 1 << int(random.integers(8))
            case 1:
                data[at : at + size] = random.bytes(size)
            case 2:
                del data[at:]
            case 3:
                data[at:at] = data[at : at + 64]
            case 4:
                del data[at : at + size]
            case _:
                data[at:at] = (b"[" * 20_000, b"1e999", b"9" * 5000, b"\xff\xfe", b"\0")[k % 5]
        yield bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_damage_is_refused_or_read(name: str, tmp_path: Path) -> None:
    make, load = FILES[name]
    path = make(tmp_path)
    load(path)
    raw = path.read_bytes()
    number = MUTATIONS // 6 if name == "NIR graph" else MUTATIONS  # that one is read in a child
    for i, damaged in enumerate(mutations(raw, number)):
        path.write_bytes(damaged)
        try:
            load(path)
        except DelrecError as error:
            if "\n" in str(error):
                pytest.fail(f"mutation {i}: more than one line: {error}")
        except Exception as error:
            pytest.fail(f"mutation {i}: {error!r}")
        recognise(path)
