"""Each kind of file that the project reads: what makes a good one, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import onnx
import torch

from benchmarks.staged import artifact_here
from benchmarks.trust import made
from delrec_compile import targets
from delrec_compile.aliases import Numeric
from delrec_compile.artifact.manifest import FILE, load_artifact
from delrec_compile.artifact.package import checksums
from delrec_compile.compiler.schedules import store
from delrec_compile.data.samples import describe_samples, read_samples
from delrec_compile.interop.source import import_model
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.network.onnx_step.schema import load_model
from delrec_compile.plain_onnx import step_graph
from delrec_compile.system.fields import sealed_text
from delrec_compile.training import config_file

CELL = """<ir_version: 9, opset_import: ["" : 18]>
cell (float[N,3] x, float[N,4] past_h) => (float[N,4] y, float[N,4] present_h)
<float[3,4] w = {0.5, -1, 2, 0.25, 1, 1, -0.5, 0.75, -2, 0.1, 0.3, 1}>
{
    a = MatMul (x, w)
    c = Add (a, past_h)
    present_h = Tanh (c)
    y = Mul (present_h, a)
}
"""


@dataclass(frozen=True)
class Reader:
    """make: writes a good file into a folder. read: raises DelrecError alone."""

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    in_child: bool = False  # by a process of its own, some 0.3 s each


def _network(folder: Path) -> Path:
    return checkpoint.save(made.network(), folder / "file.safetensors")


def _integer_network(folder: Path) -> Path:
    return integer.save(quantise(made.network(), "int8"), folder / "file.safetensors")


def _step(folder: Path) -> Path:
    onnx.save(model_of(made.network()), folder / "file.onnx")
    return folder / "file.onnx"


def _plain_step(folder: Path) -> Path:
    onnx.save(onnx.parser.parse_model(CELL), folder / "file.onnx")
    return folder / "file.onnx"


def _profile(folder: Path) -> Path:
    text = (Path(targets.__file__).parent / "cortex_m4.toml").read_bytes()
    (folder / "file.toml").write_bytes(text)
    return folder / "file.toml"


def _recipe(folder: Path) -> Path:
    (folder / "file.toml").write_text('epochs = 3\nrecurrence = "conv"\n')
    return folder / "file.toml"


def _weights(folder: Path) -> Path:
    state = {"layers.0.weight": torch.ones(4, 3), "layers.0.bias": torch.zeros(4)}
    state |= {"layers.1.weight": torch.ones(2, 4), "layers.1.bias": torch.zeros(2)}
    torch.save({"net": state, "epoch": 1}, folder / "file.pth")
    return folder / "file.pth"


def _graph(folder: Path) -> Path:
    ones = np.ones(2)
    lif = nir.LIF(tau=ones * 0.01, r=ones, v_leak=ones * 0, v_threshold=ones, v_reset=ones * 0)
    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "map": nir.Affine(np.ones((2, 3)), np.zeros(2)),
        "lif": lif,
        "output": nir.Output({"output": np.array([2])}),
    }
    edges = [("input", "map"), ("map", "lif"), ("lif", "output")]
    nir.write(folder / "file.nir", nir.NIRGraph(nodes, edges))
    return folder / "file.nir"


def _counts(folder: Path) -> Path:
    np.savez(folder / "file.npz", counts=np.ones((3, 5, 4), np.uint8), labels=np.arange(3))
    return folder / "file.npz"


def _events(folder: Path) -> Path:
    path = folder / "file.h5"
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (3,), h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (3,), h5py.vlen_dtype(np.uint16))
        for i in range(3):
            times[i], units[i] = np.full(2, 0.1, np.float16), np.arange(2, dtype=np.uint16)
        file["labels"] = np.arange(3, dtype=np.uint16)
    return path


def _manifest(folder: Path) -> Path:
    made_here = artifact_here(made.network(), "portable_c", folder / "artifact")
    path = made_here.path / FILE
    manifest = replace(made_here.manifest, files=checksums(made_here.path))
    path.write_text(sealed_text(manifest.to_json()))
    return path


def _store(folder: Path) -> Path:
    key = store.Key("0", "x86_64", "any", Numeric.FLOAT32, "c", {"parts": []})
    database = store.Store(folder / "db")
    database.append(key, {"trial": {"n": 1}}, {"trial": {"n": 2}})
    return database.path(key)


READERS: dict[str, Reader] = {
    "network": Reader(_network, checkpoint.load),
    "integer network": Reader(_integer_network, integer.load),
    "ONNX step": Reader(_step, load_model),
    "plain ONNX step": Reader(_plain_step, step_graph.read),
    "manifest": Reader(_manifest, lambda path: load_artifact(path.parent)),
    "target": Reader(_profile, lambda path: targets.load(str(path))),
    "recipe": Reader(
        _recipe, lambda path: config_file.read(path, {"epochs": int, "recurrence": str})
    ),
    "checkpoint": Reader(_weights, lambda path: import_model(path, recipe="delrec-ssc")),
    "NIR graph": Reader(_graph, lambda path: import_model(path, dt_ms=1.0), in_child=True),
    "samples": Reader(_counts, read_samples),
    "events": Reader(_events, describe_samples, in_child=True),
    "store": Reader(_store, store.read),
}
