"""Makers of a good file of each kind that the project reads, each in a folder."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import onnx
import tomli_w
import torch
from scipy.io import wavfile

from benchmarks.staged import artifact_here
from benchmarks.trust import made
from delrec_compile import targets
from delrec_compile.aliases import Numeric
from delrec_compile.artifact.manifest import FILE
from delrec_compile.artifact.package import checksums
from delrec_compile.compiler.schedules import choice, store
from delrec_compile.compiler.schedules.record import Measurement, Trial, Winner
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.interop.hdf5_entries import entries
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.runners.devices.wire import HEAD, MAGIC, Shape, encode
from delrec_compile.system.fields import sealed_text
from delrec_compile.training import state
from delrec_compile.training.config import TrainConfig

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
SHAPE = Shape(3, 2, (4, 1), "uint8")
STEPS = 5
TRAINING = TrainConfig(epochs=3)
KEY = store.Key("0", "x86_64", "any", Numeric.FLOAT32, "c", {"parts": []})
OWN, COSTS = targets.load("x86_64").schedules[0].schedule, {"step": 2.0}
ENERGY = "macs", "additions", "energy_nj", "dense_macs", "dense_energy_nj"
COST = dict.fromkeys((*ENERGY, "parameter_bytes", "state_bytes"), 5.0)
WINNER = Winner(OWN, OWN, 1.0, "us", "native", COSTS, COSTS, COSTS, "tune")


def network(folder: Path) -> Path:
    return checkpoint.save(made.network(), folder / "file.safetensors")


def integer_network(folder: Path) -> Path:
    return integer.save(quantise(made.network(), "int8"), folder / "file.safetensors")


def step(folder: Path) -> Path:
    onnx.save(model_of(made.network()), folder / "file.onnx")
    return folder / "file.onnx"


def plain_step(folder: Path) -> Path:
    onnx.save(onnx.parser.parse_model(CELL), folder / "file.onnx")
    return folder / "file.onnx"


def _text(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def profile(folder: Path) -> Path:
    text = (Path(targets.__file__).parent / "cortex_m4.toml").read_text()
    return _text(folder, "file.toml", text)


def recipe(folder: Path) -> Path:
    return _text(folder, "file.toml", 'epochs=3\nlr=1e-3\nrecurrence="conv"\n')


def defaults(folder: Path) -> Path:
    text = '[build]\ntarget = "x86_64"\nforce = true\n[train]\nset = ["epochs=3"]\n'
    return _text(folder, "delrec.toml", text + "[data.synth]\nseed = 3\n")


def durations(folder: Path) -> Path:
    return _text(folder, "durations.json", json.dumps({"0123456789abcdef": 12.5, "ab": 3}))


def weights(folder: Path) -> Path:
    tensors = {"layers.0.weight": torch.ones(4, 3), "layers.0.bias": torch.zeros(4)}
    tensors |= {"layers.1.weight": torch.ones(2, 4), "layers.1.bias": torch.zeros(2)}
    held = {"net": tensors, "epoch": 1, "best": np.float64(0.5), "history": np.arange(3.0)}
    torch.save(held, folder / "file.pth")
    return folder / "file.pth"


def unfinished(folder: Path) -> Path:
    held = {"epoch": 1, "model": {"w": torch.ones(2)}, "history": [{"number": 1, "loss": 0.5}]}
    state.write(folder / "file.unfinished", TRAINING, "data", held)
    return folder / "file.unfinished"


def graph(folder: Path) -> Path:
    ones = np.ones(2)
    lif = nir.LIF(tau=ones * 0.01, r=ones, v_leak=ones * 0, v_threshold=ones, v_reset=ones * 0)
    nodes = {
        "input": nir.Input({"input": np.array([3])}),
        "map": nir.Affine(np.ones((2, 3)), np.zeros(2)),
        "lif": lif,
        "output": nir.Output({"output": np.array([2])}),
    }
    edges = [("input", "map"), ("map", "lif"), ("lif", "output")]
    metadata = {"dt": 0.001, "delrec": json.dumps({"format": "delrec.nir/1", "labels": ["a", "b"]})}
    nir.write(folder / "file.nir", nir.NIRGraph(nodes, edges, metadata=metadata))
    return folder / "file.nir"


def graph_entries(folder: Path) -> Path:
    return _text(folder, "file.json", json.dumps(plain(entries(graph(folder), "node", "graph"))))


def lava(folder: Path) -> Path:
    """A chain of two dense layers, as lava-dl writes it."""
    neuron = {"type": "CUBA", "iDecay": 4096, "vDecay": 128, "vThMant": 64, "refDelay": 1}
    with h5py.File(folder / "file.net", "w") as file:
        file["simulation/Ts"] = 1
        for k, (rows, columns) in enumerate(((4, 3), (2, 4))):
            layer = file.create_group(f"layer/{k}")
            layer.create_dataset("type", (1,), "S10", [b"dense"])
            layer["shape"], layer["weight"] = np.array([rows]), np.ones((rows, columns), np.int8)
            layer["inFeatures"], layer["outFeatures"] = columns, rows
            for key, value in neuron.items():
                layer[f"neuron/{key}"] = value
    return folder / "file.net"


def lava_entries(folder: Path) -> Path:
    held = entries(lava(folder), "layer", "network of lava-dl")
    return _text(folder, "file.json", json.dumps(plain(held)))


def plain(held: Any) -> Any:
    """Nested entries of an HDF5 file as JSON holds them."""
    if isinstance(held, dict):
        return {key: plain(value) for key, value in held.items()}
    if isinstance(held, np.ndarray | np.generic):
        return plain(held.tolist())
    if isinstance(held, list | tuple):
        return [plain(value) for value in held]
    return held.decode() if isinstance(held, bytes) else held


def counts(folder: Path) -> Path:
    text = json.dumps(FrontEnd(channels=4).to_json())
    array = np.ones((3, 5, 4), np.uint8)
    np.savez(folder / "file.npz", counts=array, labels=np.arange(3), front_end=np.array(text))
    return folder / "file.npz"


def array(folder: Path) -> Path:
    np.save(folder / "file.npy", np.ones((3, 5, 4), np.uint8))
    return folder / "file.npy"


def csv(folder: Path) -> Path:
    return _text(folder, "file.csv", "a,b,c\n1,0,3\n0,2,1\n")


def front_end(folder: Path) -> Path:
    return _text(folder, "file.json", json.dumps(FrontEnd(channels=4).to_json()))


def events(folder: Path) -> Path:
    path = folder / "file.h5"
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (3,), h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (3,), h5py.vlen_dtype(np.uint16))
        for i in range(3):
            times[i], units[i] = np.full(2, 0.1, np.float16), np.arange(2, dtype=np.uint16)
        file["labels"] = np.arange(3, dtype=np.uint16)
    return path


def sound(folder: Path) -> Path:
    wavfile.write(folder / "file.wav", 16_000, (np.arange(400) * 80 % 900).astype(np.int16))
    return folder / "file.wav"


def manifest(folder: Path) -> Path:
    made_here = artifact_here(made.network(), "portable_c", folder / "artifact")
    path = made_here.path / FILE
    whole = replace(made_here.manifest, files=checksums(made_here.path))
    path.write_text(sealed_text(whole.to_json()))
    return path


def archive(folder: Path) -> Path:
    """A packed artifact that holds no more than its manifest."""
    text = sealed_text({"schema": "delrec.artifact/1", "name": "net", "files": {}}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("net/manifest.json")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    (folder / "net.tar.gz").write_bytes(gzip.compress(buffer.getvalue(), mtime=0))
    return folder / "net.tar.gz"


def tuning(folder: Path) -> Path:
    """A store with its key, a trial and a winner."""
    database = store.Store(folder / "db")
    trial = Trial(OWN, "us", "native", 0.5, Measurement(OWN, COSTS, COSTS, 1.0, 0.5), "")
    database.append(KEY, {"trial": trial.to_json()}, {"winner": WINNER.to_json()})
    return database.path(KEY)


def tuned(folder: Path) -> Path:
    """A file of `targets/tuned/`."""
    text = tomli_w.dumps(choice.Exported(KEY, WINNER).to_toml())
    return _text(folder, "file.toml", text)


def url(folder: Path) -> Path:
    return _text(folder, "url", "ssh://me@board.local:2222?dir=/data&timeout=20")


def ssh_config(folder: Path) -> Path:
    return _text(
        folder, "config", 'Host board "pi 4" *.local\n  User me\nMatch host x\nhost=nano\n'
    )


REQUEST = encode(SHAPE, np.zeros((2, STEPS, SHAPE.inputs), np.uint8), 2, 1)


def answer(folder: Path) -> Path:
    """What the program on a device writes for REQUEST."""
    head = HEAD.pack(MAGIC, 2, STEPS, 2, 1, 4000, 0, 0)
    fired = (STEPS * SHAPE.neurons + 7) // 8
    row = np.zeros(2, [("code", "<i4"), ("y", "<f4", STEPS * SHAPE.outputs), ("bits", "u1", fired)])
    (folder / "answer").write_bytes(b"login\n" + head + row.tobytes() + np.ones(1).tobytes())
    return folder / "answer"


def compared(folder: Path) -> Path:
    """What `compare --json` prints."""
    from delrec_compile.evaluation.compare.result import Comparison, TargetRow

    rows = (
        TargetRow("x86_64", "float32", "native", "library", 3.0, ratio_to_pytorch=2.0),
        TargetRow(
            "cortex_m4", "int8", "emulated", "QEMU", None, 2e5, 210_000, 168.0, 1e3, 2e3, 0.1
        ),
    )
    whole = Comparison("net", 10.0, rows, (), (), (), (), None, {"cpu": "any"})
    told = {"schema": "delrec.compare/1", **whole.as_dict()}
    return _text(folder, "file.json", json.dumps(told))


def claimed(folder: Path) -> Path:
    """What `claims --json` prints."""
    from delrec_compile.evaluation.claims.claim import Claim, Claims
    from delrec_compile.evaluation.claims.published import Published

    published = Published(0.9, None, 3, "a paper")
    delays = {"zeroed": 0.5, "shuffled": None}
    sizes = (0.9, 0.01, 0.8, 3, 20, 100, 0.5, -0.01)
    row = Claim("conv_delay", "Conv", *sizes, (0.1,), COST, delays, None, 9.0, published=published)
    whole = Claims((row,), (row,), "data", {"train": 5, "test": 3}, 1.0, 3, "")
    told = {"schema": "delrec.claims/1", **asdict(whole)}
    return _text(folder, "file.json", json.dumps(told))
