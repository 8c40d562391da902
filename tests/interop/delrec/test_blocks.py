"""Blocks of a checkpoint, and every way in which one can be wrong."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures.authors import IN, OUT, N, Net, saved
from helpers import refusal

import delrec_compile
from delrec_compile.errors import CheckpointError
from delrec_compile.network import checkpoint


def changed(net: Net, **tensors: Any) -> dict[str, Any]:
    state = {k: v.clone() for k, v in net.state_dict().items()}
    for key, value in tensors.items():
        state[key.replace("__", ".")] = value
    return state


PLAIN = Net(True, True)


BAD = {
    "key": (changed(PLAIN, other=torch.zeros(2)), "unknown key 'other'"),
    "unknown": (changed(PLAIN, layers__5__odd=torch.zeros(2)), "layers.5.odd: unknown; allowed"),
    "nan": (changed(PLAIN, layers__0__weight=torch.full((N, IN), torch.nan)), "not finite"),
    "size": (
        changed(PLAIN, layers__5__weight=torch.zeros(OUT, 5)),
        "layers.5: takes 5 values, the l",
    ),
    "delays": (
        changed(PLAIN, layers__4__recurrent_delays=torch.zeros(3)),
        r"layers.4.recurrent_delays has shape \[3\]; \[12\]",
    ),
    "long delays": (
        changed(PLAIN, layers__4__recurrent_delays=torch.full((N,), 2.0**32 + 3).double()),
        r"layers.4.recurrent_delays: 4.29497e\+09 steps; the longest delay allowed is 4094",
    ),
    "kernel": (
        changed(PLAIN, layers__4__recurrent_kernel=torch.zeros(3, 1, 5)),
        r"layers.4.recurrent_kernel has shape \[3, 1, 5\]; \[K\] or \[1, 1, K\]",
    ),
    "kernel of two axes": (
        changed(PLAIN, layers__4__recurrent_kernel=torch.zeros(1, 3)),
        r"layers.4.recurrent_kernel has shape \[1, 3\]",
    ),
    "current": (
        changed(PLAIN, layers__4__recurrent_bias=torch.zeros(1)),
        r"layers.4.recurrent_bias has shape \[1\]; \[12\]",
    ),
    "two recurrences": (
        changed(PLAIN, layers__3__recurrent_kernel=torch.zeros(3)),
        "layers.4.recurrent_delays: a second recurrence beside layers.3",
    ),
    "half a norm": (
        {k: v for k, v in PLAIN.state_dict().items() if k != "layers.1.running_var"},
        "layers.1.running_var is missing; a BatchNorm needs it",
    ),
    "norm of one": (
        changed(PLAIN, layers__1__weight=torch.zeros(1)),
        r"layers.1.weight has shape \[1\]; \[12\]",
    ),
    "norm of three": (
        changed(PLAIN, layers__1__bias=torch.zeros(3)),
        r"layers.1.bias has shape \[3\]; \[12\]",
    ),
    "two norms": (
        changed(PLAIN, layers__1__bn__running_mean=torch.zeros(N)),
        "layers.1: several BatchNorms",
    ),
    "variance": (
        changed(PLAIN, layers__1__running_var=-torch.ones(N)),
        "layers.1.running_var is below 0",
    ),
    "bias": (changed(PLAIN, layers__0__bias=torch.zeros(1)), r"layers.0.bias has shape \[1\]"),
    "empty": (
        changed(PLAIN, layers__0__weight=torch.zeros(N, 0)),
        r"layers.0.weight has shape \[12, 0\]",
    ),
    "twice": (changed(PLAIN, layers__00__weight=torch.zeros(N, IN)), "unknown key 'layers.00.w"),
    "complex": (
        changed(PLAIN, layers__0__weight=torch.zeros(N, IN, dtype=torch.complex64)),
        "'layers.0.weight' is a tensor of complex numbers; dense real numbers are required",
    ),
    "sparse": (
        changed(PLAIN, layers__0__weight=torch.zeros(N, IN).to_sparse()),
        "'layers.0.weight' is a tensor that is not dense",
    ),
    "meta": (
        changed(PLAIN, layers__0__weight=torch.empty(N, IN, device="meta")),
        "'layers.0.weight' is a tensor without values",
    ),
    "one": ({"layers.0.weight": torch.zeros(2, 2)}, "1 Linear layers; two or more"),
    "text": ({"layers.0.weight": "x"}, "is not a tensor"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_checkpoints(what: str, tmp_path: Path) -> None:
    state, message = BAD[what]
    path = tmp_path / "best.pth"
    torch.save({"net": state}, path)
    with refusal(CheckpointError, message, 3, tmp_path):
        delrec_compile.from_checkpoint(path)


def test_shapes_that_say_the_same(tmp_path: Path) -> None:
    """A kernel of one axis, and delays with axes of one."""
    made = delrec_compile.from_checkpoint(saved(tmp_path, PLAIN))
    state = PLAIN.state_dict()
    state["layers.4.recurrent_kernel"] = state["layers.4.recurrent_kernel"].flatten()
    state["layers.4.recurrent_delays"] = state["layers.4.recurrent_delays"][:, None]
    torch.save({"net": state}, tmp_path / "flat.pth")
    again = delrec_compile.from_checkpoint(tmp_path / "flat.pth")
    assert checkpoint.digest(again.network) == checkpoint.digest(made.network)


def test_nothing_is_run_from_a_file(tmp_path: Path) -> None:
    class Run:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "ran").touch, ())

    path = tmp_path / "best.pth"
    path.write_bytes(pickle.dumps(Run()))
    with refusal(CheckpointError, "without running code", 3, tmp_path):
        delrec_compile.from_checkpoint(path)
    torch.save(Net(True, True), path)
    with refusal(CheckpointError, "without running code", 3, tmp_path):
        delrec_compile.from_checkpoint(path)
