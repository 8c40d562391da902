"""Network files: they come back as they went, and nothing that is not one is believed or executed."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
import torch
from helpers import refusal
from safetensors.numpy import load_file, save_file

from delrec_compile.errors import CheckpointError, InputError
from delrec_compile.network import checkpoint
from delrec_compile.network.tensor_file import CHECKSUM
from delrec_compile.system import files
from delrec_compile.system.files import check_writable

Arrays = dict[str, np.ndarray]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return checkpoint.save(cases.network("mixed"), tmp_path / "net.safetensors")


def rewrite(
    path: Path,
    arrays: Callable[[Arrays], Any] = lambda a: None,
    config: Callable[[dict[str, Any]], Any] = lambda c: None,
) -> None:
    """Writes the file again with its arrays and description changed in place."""
    tensors = load_file(path)
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    meta = header["__metadata__"]
    del meta[CHECKSUM]
    described = json.loads(meta["config"])
    arrays(tensors)
    config(described)
    save_file(tensors, path, {**meta, "config": json.dumps(described)})


def resaved(path: Path, meta: dict[str, str] | None) -> None:
    save_file(load_file(path), path, meta)


@pytest.mark.parametrize("name", cases.CASES)
def test_a_network_comes_back_as_it_went(name: str, tmp_path: Path) -> None:
    network = cases.network(name)
    again = checkpoint.load(checkpoint.save(network, tmp_path / "n.safetensors"))
    assert checkpoint.digest(again) == checkpoint.digest(network)
    assert again.name == name
    x = cases.counts(cases.CASES[name], steps=20)
    a, b = network.reset(), again.reset()
    for row in x:
        y, a = network.step(row, a)
        z, b = again.step(row, b)
        np.testing.assert_array_equal(y, z)


def test_facts_are_kept(tmp_path: Path) -> None:
    network = replace(
        cases.network("conv3"), labels=("a", "ä", "c", "d", "e"), dt_ms=2.5, notes={"seed": 3}
    )
    again = checkpoint.load(checkpoint.save(network, tmp_path / "n.safetensors"))
    assert (again.labels, again.dt_ms, again.notes) == (network.labels, 2.5, {"seed": 3})
    assert checkpoint.digest(again) != checkpoint.digest(cases.network("conv3"))


def test_values_of_numpy_and_paths_are_kept(tmp_path: Path) -> None:
    notes = {"accuracy": np.float32(0.5), "seeds": np.arange(3), "file": Path("a")}
    network = replace(
        cases.network("conv3"), dt_ms=np.float32(2.5), max_input=np.int64(31), notes=notes
    )
    again = checkpoint.load(checkpoint.save(network, tmp_path / "n.safetensors"))
    assert (again.dt_ms, again.max_input) == (2.5, 31)
    assert again.notes == {"accuracy": 0.5, "seeds": [0, 1, 2], "file": "a"}
    assert checkpoint.digest(again) == checkpoint.digest(network)


def test_the_file_is_the_same_each_time(tmp_path: Path) -> None:
    a, b = (checkpoint.save(cases.network("mixed"), tmp_path / n) for n in ("a", "b"))
    assert a.read_bytes() == b.read_bytes()


def test_files_of_any_header_length_are_read(tmp_path: Path) -> None:
    """The length a file begins with may look like the first bytes of a pickle."""
    firsts = set()
    for n in range(300):
        network = replace(cases.network("conv3"), name="n" * n)
        path = checkpoint.save(network, tmp_path / "n.safetensors")
        firsts.add(path.read_bytes()[0])
        assert checkpoint.load(path).name == network.name
    assert 0x80 in firsts


class Canary:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def pickled(path: Path, canary: Path, protocol: int) -> None:
    path.write_bytes(pickle.dumps(Canary(canary), protocol=protocol))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("suffix", ["pt", "pkl", "safetensors"])
def test_a_pickle_is_refused_and_never_executed(suffix: str, protocol: int, tmp_path: Path) -> None:
    path, canary = tmp_path / f"net.{suffix}", tmp_path / "canary"
    pickled(path, canary, protocol)
    legacy = "is a checkpoint of PyTorch" if suffix == "pt" else "is a pickle, which can run code"
    # protocols 0 and 1 have no mark
    with refusal(CheckpointError, legacy if protocol >= 2 else "is text|truncated", 3, tmp_path):
        checkpoint.load(path)
    assert not canary.exists()
    pickle.loads(path.read_bytes())
    assert canary.exists(), "the canary does not sing"


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_torch_file_is_refused_and_never_executed(suffix: str, tmp_path: Path) -> None:
    path, canary = tmp_path / f"net.{suffix}", tmp_path / "canary"
    torch.save({"w": torch.ones(2), "canary": Canary(canary)}, path)
    with refusal(
        CheckpointError, "is a checkpoint of PyTorch; .*delrec-compile import ", 3, tmp_path
    ):
        checkpoint.load(path)
    assert not canary.exists()


def test_missing_files(tmp_path: Path) -> None:
    with refusal(CheckpointError, "no such file; a .safetensors network or .* bundled", 3):
        checkpoint.load(tmp_path / "none.safetensors")
    with refusal(CheckpointError, "did you mean 'conv_delay_256'", 3):
        checkpoint.load("conv_dely_256")
    with refusal(CheckpointError, "is a folder without an artifact; a .safetensors network", 3):
        checkpoint.load(tmp_path)


def test_every_truncation_is_noticed(file: Path) -> None:
    raw = file.read_bytes()
    for size in (0, 1, 7, 8, 9, 100, 1000, len(raw) // 2, len(raw) - 1):
        file.write_bytes(raw[:size])
        with refusal(
            CheckpointError, "not a complete safetensors file .*truncated: |is an empty", 3
        ):
            checkpoint.load(file)


@pytest.mark.parametrize("raw", [b"hello, world\n" * 9, b"\xff" * 64, b"{}", b"PK", b"\x80"])
def test_foreign_bytes(raw: bytes, file: Path) -> None:
    file.write_bytes(raw)
    with refusal(CheckpointError, "not a complete safetensors file|is text; a .safetensors", 3):
        checkpoint.load(file)


def test_foreign_safetensors(file: Path) -> None:
    for meta, message in (
        (None, "is a safetensors file of tensors alone; .*'module:function'.* format is 'none'"),
        ({"format": "pt"}, "its format is 'pt'"),
        ({"format": checkpoint.FORMAT}, "description is damaged .*'config'"),
        ({"format": checkpoint.FORMAT, "config": "{"}, "description is damaged"),
        ({"format": checkpoint.FORMAT, "config": "[]"}, "description is damaged"),
        ({"format": checkpoint.FORMAT, "config": '{"layers": [1]}'}, "description is damaged"),
    ):
        resaved(file, meta)
        with refusal(CheckpointError, message, 3):
            checkpoint.load(file)


@pytest.mark.parametrize("config", ["[" * 100_000, '{"layers":' * 100_000])
def test_a_description_nested_without_end(config: str, file: Path) -> None:
    resaved(file, {"format": checkpoint.FORMAT, "config": config})
    with refusal(CheckpointError, "description is damaged .*nested too deeply", 3):
        checkpoint.load(file)


def test_no_flipped_bit_is_another_network(file: Path) -> None:
    """Every byte of the file, one bit of each: refused, or the same network."""
    raw, digest = file.read_bytes(), checkpoint.digest(checkpoint.load(file))
    bits = np.random.default_rng(5).integers(8, size=len(raw))
    for at in range(0, len(raw), 7):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << int(bits[at])
        file.write_bytes(damaged)
        with contextlib.suppress(CheckpointError):
            assert checkpoint.digest(checkpoint.load(file)) == digest, at


def test_files_without_a_checksum_are_read(file: Path) -> None:
    digest = checkpoint.digest(checkpoint.load(file))
    rewrite(file)
    assert checkpoint.digest(checkpoint.load(file)) == digest


def put(name: str, value: Any) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.__setitem__(name, value)


def spoil(name: str, at: int, value: float) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].astype(np.float32)
        arrays[name].reshape(-1)[at] = value

    return change


# `mixed`: 14 inputs, 16 neurons dense, 32 neurons conv3, 5 outputs
BAD_ARRAYS: dict[str, tuple[Callable[[Arrays], Any], str]] = {
    "missing key": (
        lambda a: a.pop("layers.1.bias"),
        "no tensor 'layers.1.bias'; there are: layers.0.bias",
    ),
    "wrong key": (lambda a: put("readout.wieght", a.pop("readout.weight"))(a), "'readout.wieght'"),
    "extra key": (
        put("layers.7.weight", np.zeros(2)),
        "missing from the description: layers.7.weight",
    ),
    "shape": (put("layers.1.weight", np.zeros((32, 9), np.float32)), "sends 16 .* takes 9"),
    "flat": (
        put("layers.0.weight", np.zeros(9, np.float32)),
        r"layers.0.weight has shape \[9\]; \[out, in\]",
    ),
    "transposed": (
        lambda a: put("layers.1.weight", np.ascontiguousarray(a["layers.1.weight"].T))(a),
        r"layers.1.weight has shape \[16, 32\] and bias \[32\]; .* is the weight transposed\?",
    ),
    "cut weight": (
        lambda a: put("layers.1.weight", a["layers.1.weight"][:-1])(a),
        r"layers.1.weight has shape \[31, 16\] and bias \[32\]; .*required$",
    ),
    "readout": (
        lambda a: put("readout.weight", np.ascontiguousarray(a["readout.weight"].T))(a),
        r"readout.weight has shape \[32, 5\] and bias \[5\]; .* is the weight transposed\?",
    ),
    "axis": (
        lambda a: put("layers.1.recurrent_kernel", np.ones((1, 1, 3), np.float32))(a),
        r"layers.1.recurrent_kernel has shape \[1, 1, 3\]",
    ),
    "even kernel": (
        put("layers.1.recurrent_kernel", np.ones(4, np.float32)),
        "layers.1.recurrent_kernel has 4 taps; an odd",
    ),
    "few delays": (
        put("layers.1.delay", np.zeros(31, np.int16)),
        "for 31 neurons, the layer has 32",
    ),
    "negative": (put("layers.1.delay", np.full(32, -1, np.int16)), r"layers.1.delay\[0\] is -1"),
    "too long": (put("layers.1.delay", np.full(32, 4095, np.int16)), "longest delay allowed"),
    "NaN delay": (spoil("layers.1.delay", 3, np.nan), r"delay\[3\] is nan"),
    "fraction": (spoil("layers.1.delay", 3, 2.5), r"delay\[3\] is 2.5; .* an integer number"),
    "NaN weight": (
        spoil("layers.0.weight", 17, np.nan),
        r"layers.0.weight\[1, 3\] is nan; .* finite",
    ),
    "infinite kernel": (
        spoil("layers.1.recurrent_kernel", 1, np.inf),
        r"layers.1.recurrent_kernel\[1\] is inf",
    ),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays(name: str, file: Path) -> None:
    change, message = BAD_ARRAYS[name]
    rewrite(file, arrays=change)
    with refusal(CheckpointError, rf"net\.safetensors: .*{message}", 3, file.parent):
        checkpoint.load(file)


BAD_CONFIGS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "recurrence": (
        lambda c: c["layers"][0].update(recurrence="synaptic"),
        "unknown recurrence 'synaptic'; allowed: conv_delay, dense_delay",
    ),
    "field": (lambda c: c["layers"][0]["lif"].update(tau=2), "damaged .*tau"),
    "no layers": (lambda c: c.update(layers=[]), "missing from the description"),
    "layers": (lambda c: c.update(layers=None), "damaged"),
    "no time": (lambda c: c.pop("dt_ms"), "damaged .*dt_ms"),
    "time": (lambda c: c.update(dt_ms="ten"), "dt_ms is .ten.; a number is required"),
    "beta": (lambda c: c["layers"][1]["lif"].update(beta=2), "layers.1: lif: beta is 2.0; allowed"),
    "NaN": (lambda c: c["layers"][1]["lif"].update(beta=float("nan")), "beta is nan"),
    "decision": (lambda c: c["readout"].update(decision="vote"), "unknown decision 'vote'"),
    "notes": (lambda c: c.update(notes=3), "damaged"),
    "infinite counts": (lambda c: c.update(max_input=float("inf")), "max_input is inf"),
    "giant counts": (lambda c: c.update(max_input=10**400), "a number has 401 digits"),
    "giant beta": (lambda c: c["layers"][1]["lif"].update(beta=10**400), "damaged"),
    "labels": (lambda c: c.update(labels=[1, 2, 3, 4, 5]), "damaged"),
    "name": (lambda c: c.update(name=None), "damaged"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_descriptions(name: str, file: Path) -> None:
    change, message = BAD_CONFIGS[name]
    rewrite(file, config=change)
    with refusal(CheckpointError, message, 3, file.parent):
        checkpoint.load(file)


def test_writing_where_it_cannot_be(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("a file")
    taken = tmp_path / "taken.safetensors"
    taken.mkdir()
    (taken / "inside").write_text("kept")
    for path in (plain / "net.safetensors", taken, Path("/proc/net.safetensors")):
        with refusal(InputError, f"cannot write {path}: ", 3, tmp_path):
            checkpoint.save(cases.network("conv3"), path)


def test_where_it_cannot_be_is_known_before(tmp_path: Path) -> None:
    with refusal(InputError, f"cannot write {tmp_path}: it is a folder; name a file", 3):
        check_writable(tmp_path)
    check_writable(tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_saving_over_a_file(file: Path) -> None:
    with refusal(CheckpointError, "exists; add force=True", 3, file.parent):
        checkpoint.save(cases.network("conv3"), file, force=False)
    checkpoint.save(cases.network("conv3"), file)
    assert checkpoint.load(file).name == "conv3"
    assert file.stat().st_mode & 0o777 == 0o644


def test_an_interrupted_write_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = file.read_bytes()
    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(cases.network("conv3"), file)
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    assert file.read_bytes() == before


def test_measured_accuracy_is_what_the_network_says_of_itself():
    for name, least in (("conv_delay_256", 0.85), ("dense_delay_256", 0.89)):
        network = checkpoint.load(name)
        assert network.notes["accuracy"]["test"] >= least
    assert checkpoint.load("conv_delay_256").recurrent_parameters() == 259


def test_a_flip_in_the_name_of_the_checksum_is_noticed(file: Path) -> None:
    """The checksum would be absent, as in files of other writers, and tell of nothing else."""
    raw = file.read_bytes()
    file.write_bytes(raw.replace(b'"sha256"', b'"sha2u6"', 1))
    with refusal(CheckpointError, r"unknown key 'sha2u6'; allowed: config, format, sha256", 3):
        checkpoint.load(file)


def test_a_layer_has_one_neuron_model() -> None:
    for entry in ({}, {"lif": {}, "alif": {}}):
        with refusal(CheckpointError, r"layers\.3: one neuron model is required, of lif, ", 3):
            checkpoint._neuron(entry, 3, None)  # type: ignore[arg-type]
