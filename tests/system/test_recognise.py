"""What a path is: every kind of file, and the command that takes it."""

import io
import json
import pickle
import re
import struct
import tarfile
import zipfile

import numpy as np
import onnx
import pytest
import torch
from fixtures.lava import cuba, dense, written
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from delrec_compile import bundled
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.system.recognise import FORMATS, USES, Kind, recognise, wrong_file


def graph(inputs, outputs):
    values = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2]) for n in names]
        for names in (inputs, outputs)
    ]
    nodes = [helper.make_node("Identity", [i], [o]) for i, o in zip(inputs, outputs, strict=True)]
    return helper.make_model(helper.make_graph(nodes, "g", *values))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file or folder of each kind, by its name."""
    root = tmp_path_factory.mktemp("kinds")
    network = checkpoint.load()
    checkpoint.save(network, root / "network.any")
    save_file({"w": np.ones(2)}, root / "tensors.safetensors")
    save_file({"w": np.ones(2)}, root / "integer.any", {"format": integer.FORMAT})
    for form, unroll in (("portable", 1), ("portable", 2), ("semantic", 1)):
        onnx.save(model_of(network, form, unroll), root / f"step-{form}-{unroll}.onnx")
    onnx.save(graph(["x", "past_s"], ["y", "present_s"]), root / "plain.onnx")
    onnx.save(graph(["x"], ["y"]), root / "graph.bin")
    for name, manifest in (("artifact", {"form": "library"}), ("cell", {"form": "plain"})):
        (root / "inner" / name).mkdir(parents=True)
        (root / "inner" / name / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(root / "packed.tar.gz", "w:gz") as file:
        file.add(root / "inner" / "artifact", "artifact")
    torch.save({"w": torch.ones(2)}, root / "checkpoint.any")
    torch.save({"w": torch.ones(2)}, root / "old.pth", _use_new_zipfile_serialization=False)
    (root / "pickled.any").write_bytes(pickle.dumps([1, 2, 3], protocol=4))
    np.savez(root / "samples.any.npz", counts=np.ones((1, 2, 3), np.uint8))
    np.savez(root / "samples_x.npz", x=np.ones((1, 2, 3), np.uint8))
    np.savez(root / "samples_first.npz", np.ones((1, 2, 3), np.uint8))
    np.savez(root / "arrays.npz", a=np.ones(2))
    np.save(root / "array.npy", np.ones(2))
    with zipfile.ZipFile(root / "archive.zip", "w") as file:
        file.writestr("a.txt", "a")
    (root / "code.py").write_text("def model(): pass\n")
    (root / "step.c").write_text("int main(void) { return 0; }\n")
    (root / "target.toml").write_text("a = 1\n")
    (root / "text.onnx").write_text("hello\n")
    (root / "noise.any").write_bytes(bytes(range(256)) * 9)
    (root / "empty.onnx").touch()
    (root / "program.so").write_bytes(b"\x7fELF" + bytes(60))
    (root / "nothing").mkdir()
    (root / "broken").symlink_to(root / "gone")
    hdf5(root)
    return root


def hdf5(root):
    import h5py
    import nir

    unit = nir.IF(r=np.ones(2), v_threshold=np.ones(2))
    nir.write(root / "graph.any", nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))), unit))
    with h5py.File(root / "events.any", "w") as file:
        file["spikes/times"], file["spikes/units"], file["labels"] = [[0.0]], [[1]], [0]
    written(root / "lava.any", [dense(np.ones((2, 3)), cuba(1, 1, 1))])
    with h5py.File(root / "other.h5", "w") as file:
        file["something"] = [1]


KINDS = {
    "network.any": Kind.NETWORK,
    "tensors.safetensors": Kind.TENSORS,
    "integer.any": Kind.INTEGER,
    "step-portable-1.onnx": Kind.STEP,
    "step-portable-2.onnx": Kind.STEP,
    "step-semantic-1.onnx": Kind.STEP,
    "plain.onnx": Kind.PLAIN_STEP,
    "graph.bin": Kind.GRAPH,
    "inner/artifact": Kind.ARTIFACT,
    "inner/cell": Kind.PLAIN_ARTIFACT,
    "packed.tar.gz": Kind.ARCHIVE,
    "graph.any": Kind.NIR,
    "lava.any": Kind.LAVA,
    "checkpoint.any": Kind.CHECKPOINT,
    "old.pth": Kind.CHECKPOINT,
    "pickled.any": Kind.PICKLE,
    "events.any": Kind.EVENTS,
    "other.h5": Kind.HDF5,
    "samples.any.npz": Kind.SAMPLES,
    "samples_x.npz": Kind.SAMPLES,
    "samples_first.npz": Kind.SAMPLES,
    "arrays.npz": Kind.ARRAYS,
    "array.npy": Kind.SAMPLES,
    "archive.zip": Kind.ZIP,
    "code.py": Kind.PYTHON,
    "step.c": Kind.SOURCE,
    "target.toml": Kind.PROFILE,
    "text.onnx": Kind.OTHER,
    "noise.any": Kind.OTHER,
    "empty.onnx": Kind.EMPTY,
    "program.so": Kind.PROGRAM,
    "inner": Kind.FOLDER,
    "nothing": Kind.FOLDER,
    "broken": Kind.UNREADABLE,
    "step-portable.onnx": Kind.MISSING,
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_known_by_its_content(name, folder):
    assert recognise(folder / name).kind is KINDS[name]
    line = wrong_file(folder / name, "something else")
    assert "something else is required" in line
    assert "\n" not in line


def test_every_kind_is_tried():
    elsewhere = {Kind.BUNDLED, Kind.TEXT}
    assert {*KINDS.values()} | elsewhere == {*Kind}
    known = {checkpoint.FORMAT, checkpoint.GRAPH, integer.FORMAT, integer.CHAIN}
    assert {*FORMATS} == known


@pytest.mark.parametrize("name", bundled.NETWORKS)
def test_a_bundled_network_is_a_name(name):
    assert recognise(name).kind is Kind.BUNDLED
    assert f"build it: delrec-compile build {name}" in wrong_file(name, "an artifact")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("step-portable-3.onnx", r"no such file; did you mean '.*step-portable-[12].onnx'\?"),
        ("inner", r"is a folder without an artifact \(2 inside it, such as .*inner/artifact\)"),
        ("broken", "cannot be read .a link to nothing."),
        ("graph.any", "convert it: delrec-compile import .*graph.any -o graph.safetensors"),
        ("network.any", "build it: delrec-compile build .*network.any"),
        ("tensors.safetensors", "module:function"),
        ("code.py", "'code:function'"),
    ],
)
def test_the_line_says_what_to_do(name, words, folder):
    assert re.search(words, wrong_file(folder / name, "x"))


def test_a_command_is_quoted_for_a_shell(tmp_path):
    path = tmp_path / "my net"
    checkpoint.save(checkpoint.load(), path)
    assert f"delrec-compile build '{path}'" in wrong_file(path, "x")
    commands = [use for use in USES.values() if "delrec-compile" in use]
    assert [use for use in commands if "{path}" not in use] == [USES[Kind.FOLDER]]


def test_what_is_neither_file_nor_folder():
    assert recognise("/dev/null").kind is Kind.UNREADABLE
    assert recognise("a\0b").kind is Kind.MISSING


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_raise_nothing(seed, folder, tmp_path):
    random = np.random.default_rng(seed)
    for name in KINDS:
        if not (folder / name).is_file():
            continue
        raw = bytearray((folder / name).read_bytes()[: 1 << 16])
        for at in random.integers(len(raw) or 1, size=8 if raw else 0):
            raw[at] = int(random.integers(256))
        path = tmp_path / f"{name.replace('/', '-')}"
        for cut in (len(raw), len(raw) // 2, 9):
            path.write_bytes(raw[:cut])
            recognise(path)


def test_hostile_headers_raise_nothing(tmp_path):
    deep = b"{" + b'"a":{' * 100_000
    bomb = io.BytesIO()
    with tarfile.open(fileobj=bomb, mode="w:gz") as file:
        for i in range(500):
            file.addfile(tarfile.TarInfo(f"{i}"))
    for name, raw in (
        ("deep", struct.pack("<Q", len(deep)) + deep),
        ("long", struct.pack("<Q", 1 << 60) + b"{}"),
        ("many", bomb.getvalue()),
        ("x.onnx", b"\x08" + b"\xff" * 99),
    ):
        (tmp_path / name).write_bytes(raw)
        assert recognise(tmp_path / name).kind in (Kind.OTHER, Kind.ZIP)
