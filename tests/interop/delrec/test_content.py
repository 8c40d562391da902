"""What stands in checkpoint files beside the weights, and files that are refused."""

from __future__ import annotations

import argparse
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import refusal

from delrec_compile.errors import CheckpointError
from delrec_compile.interop.delrec import content
from delrec_compile.interop.delrec.content import Array, Type, read_content

STATE = {"layers.0.weight": torch.ones(2, 3), "layers.1.weight": torch.full((2, 2), 0.5)}
ADAM = {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": np.float64(0.001)}]}
HELD: dict[str, Any] = {
    "acc of NumPy": {"net": STATE, "acc": np.float64(91.7), "epoch": 3},
    "float32": {"net": STATE, "acc": np.float32(91.7), "epoch": np.int64(3)},
    "arrays": {
        "net": STATE,
        "a": np.arange(4.0),
        "b": np.array(["a"]),
        "c": np.array([{}], object),
    },
    "bool": {"net": STATE, "best": np.bool_(True), "when": np.datetime64("2026-01-01")},
    "SSC": {
        "model": STATE,
        "optim": [ADAM],
        "sched": [{}],
        "rng": {"torch": torch.get_rng_state()},
    },
    "random state": {"net": STATE, "rng": np.random.get_state()},
    "model_state_dict": {"model_state_dict": STATE, "optimizer_state_dict": ADAM, "loss": 0.1},
    "state_dict": {"state_dict": STATE, "hyper_parameters": {"tau": 2.0}},
    "nested": {"model": {"state_dict": STATE}, "net": "SNN"},
    "bare": STATE,
    "several GPUs": {"net": {f"module.{k}": v for k, v in STATE.items()}},
    "compiled": {"net": {f"_orig_mod.{k}": v for k, v in STATE.items()}},
    "compiled parts": {
        "net": {k.replace("weight", "_orig_mod.weight"): v for k, v in STATE.items()}
    },
    "both": {"net": {f"module._orig_mod.{k}": v for k, v in STATE.items()}},
    "in a trainer": {"state_dict": {f"net.module.{k}": v for k, v in STATE.items()}},
    "NumPy": {"net": {k: v.numpy() for k, v in STATE.items()}},
    "NumPy, other order": {
        "net": {k: np.asfortranarray(v.numpy().astype(">f8")) for k, v in STATE.items()}
    },
    "half": {"net": {k: v.half() for k, v in STATE.items()}},
}


@pytest.mark.parametrize("what", HELD)
@pytest.mark.parametrize("module", ["numpy._core", "numpy.core"])
def test_the_weights_of_every_wrapper(what: str, module: str, tmp_path: Path) -> None:
    """Under both names that NumPy's functions have had."""
    path = tmp_path / "best.pth"
    torch.save(HELD[what], path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"numpy._core", module.encode()))
    for file in (path, tmp_path / "zip.pth"):
        if not file.exists():
            torch.save(HELD[what], file)
        content = read_content(file)
        assert list(content.tensors) == list(STATE)
        for key, value in STATE.items():
            np.testing.assert_array_equal(content.tensors[key], value.double().numpy())


def test_what_is_beside(tmp_path: Path) -> None:
    torch.save({**HELD["SSC"], "epoch": 7}, tmp_path / "a.pth")
    content = read_content(tmp_path / "a.pth")
    assert content.under == "model"
    assert content.beside == {"optim", "sched", "rng", "epoch"}
    assert content.epoch == 7
    torch.save(HELD["in a trainer"], tmp_path / "b.pth")
    assert read_content(tmp_path / "b.pth").prefix == "net.module."


class Run:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


BAD: dict[str, tuple[Any, str]] = {
    "module": (
        torch.nn.Linear(2, 2),
        "it holds torch.nn.modules.linear.Linear, which is no tensor",
    ),
    "namespace": (
        {"net": STATE, "args": argparse.Namespace()},
        "it holds argparse.Namespace, which",
    ),
    "two": ({"net": STATE, "model": STATE}, r"several state dicts \(net, model\); save one"),
    "list": ([1], "has no state dict under net, model, model_state_dict, state_dict"),
    "nothing": ({"epoch": 3}, "has no state dict"),
    "texts": ({"net": {"layers.0.weight": "x"}}, "has no state dict"),
    "twice": (
        {"net": {**STATE, "_orig_mod.layers.0.weight": STATE["layers.0.weight"]}},
        "two keys",
    ),
    "repeated": (
        {"net": {"layers.0.weight": torch.zeros(1).expand(1 << 20, 1 << 20)}},
        "is a tensor that repeats its values",
    ),
    "objects": ({"net": {"layers.0.weight": np.array([{}], object)}}, "is a damaged NumPy array"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_has_no_weights_is_refused(what: str, tmp_path: Path) -> None:
    content, message = BAD[what]
    torch.save(content, tmp_path / "best.pth")
    with refusal(CheckpointError, message, 3, tmp_path):
        read_content(tmp_path / "best.pth")


def test_nothing_is_run_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "best.pth"
    for held in (Run(tmp_path / "ran"), {"net": STATE, "acc": Run(tmp_path / "ran")}):
        for legacy in (False, True):
            torch.save(held, path, _use_new_zipfile_serialization=legacy)
            with refusal(CheckpointError, r"without running code \(it holds ", 3, tmp_path):
                read_content(path)
    path.write_bytes(pickle.dumps(Run(tmp_path / "ran")))
    with refusal(CheckpointError, "without running code", 3, tmp_path):
        read_content(path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.pth"
    torch.save({"net": STATE}, path)
    whole = bytearray(path.read_bytes())
    told = []
    for place in range(whole.find(np.ones(6, np.float32).tobytes()), len(whole), 97):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        try:
            read = read_content(path).tensors
        except CheckpointError as error:
            told.append(str(error))
        else:
            np.testing.assert_array_equal(read["layers.0.weight"], np.ones((2, 3)))
    assert told
    assert not [text for text in told if "\n" in text or "\x1b" in text]
    named = whole.replace(b"data.pkl", b"data.p\xff\xff")
    for text in (b"", b"hello", bytes(named), bytes(whole[: len(whole) // 2])):
        path.write_bytes(text)
        with refusal(CheckpointError, "no file of torch.save|damaged", 3):
            read_content(path)


def test_a_state_dict_inside_itself_is_refused(tmp_path: Path) -> None:
    bare: dict[str, Any] = {}
    bare["net"] = bare["model"] = bare["state_dict"] = bare
    full: dict[str, Any] = dict(STATE)
    full["net"] = full
    for held in (bare, full):
        torch.save(held, tmp_path / "a.pth")
        with refusal(CheckpointError, "has no state dict under", 3):
            read_content(tmp_path / "a.pth")


def test_arrays_that_are_none_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    kind = Type("f8")
    for parts in ((1, (2, 3), kind, False, 1 << 50), (1, (2, 3), "f8", False, b""), (1,), ()):
        made = Array()
        made.__setstate__(parts)
        with refusal(CheckpointError, "'a' is a damaged NumPy array", 3):
            content._array("'a'", made)
    assert content._number(kind, 1 << 50) is None
    assert content._number("f8", b"") is None


def test_a_tensor_of_bits_is_refused() -> None:
    bits = torch.zeros(3, dtype=torch.uint8).view(torch.bits8)
    with refusal(CheckpointError, "'a' is a tensor of bits8, which has no numbers", 3):
        content._array("'a'", bits)


def test_reasons_of_a_refusal() -> None:
    for error, reason in (
        (
            "Cannot use weights_only with TorchScript archives",
            "it is a TorchScript archive, a program",
        ),
        ("not an allowlisted class", "it holds an object that is no tensor or plain value"),
        ("unexpected end", "it is no file of torch.save, or a damaged one"),
    ):
        assert content._reason(RuntimeError(error)) == reason


def test_what_is_refused_before_pytorch_is_loaded(tmp_path: Path) -> None:
    allowed = torch._weights_only_unpickler._get_allowed_globals()  # type: ignore[attr-defined]
    assert {name.split(".")[0] for name in allowed} <= {*content.ROOTS}
    assert {name.split(".")[0] for _, name in content.STAND_INS} <= {*content.ROOTS}
    file = tmp_path / "a.pth"
    for zipped in (False, True):
        torch.save({"net": STATE}, file, _use_new_zipfile_serialization=zipped)
        assert content._foreign(file) is None
    torch.save({"net": STATE, "args": argparse.Namespace()}, file)
    assert (
        content._foreign(file) == "it holds argparse.Namespace, which is no tensor or plain value"
    )
    with zipfile.ZipFile(file, "w") as archive:  # as torch.jit.save names its members
        archive.writestr("a/data.pkl", b"")
        archive.writestr("a/constants.pkl", b"")
    assert content._foreign(file) == content.PROGRAM
    file.write_bytes(b"noise")
    assert content._foreign(file) == content.NOT_SAVED
