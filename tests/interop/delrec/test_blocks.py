"""Blocks of a checkpoint, and every way in which one can be wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.authors import IN, OUT, SCRIPTS, N, Net
from helpers import refusal

import delrec_compile
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.delrec.blocks import Block, blocks_of
from delrec_compile.interop.parts import SynapticWeights
from delrec_compile.network import checkpoint


def changed(net: Net, **tensors: Any) -> dict[str, Any]:
    state = {k: v.clone() for k, v in net.state_dict().items()}
    for key, value in tensors.items():
        state[key.replace("__", ".")] = value
    return state


# Linear 0, BatchNorm 1, neurons 2; Linear 5, BatchNorm 6, recurrent neurons 7; Linear 10
PLAIN = Net(SCRIPTS["delrec-shd"])
CONV = Net(SCRIPTS["conv-delrec-shd"])


BAD = {
    "key": (changed(PLAIN, other=torch.zeros(2)), "unknown key 'other'"),
    "unknown": (changed(PLAIN, layers__10__odd=torch.zeros(2)), "layers.10.odd: unknown; allowed"),
    "nan": (changed(PLAIN, layers__0__weight=torch.full((N, IN), torch.nan)), "not finite"),
    "size": (
        changed(PLAIN, layers__10__weight=torch.zeros(OUT, 5)),
        "layers.10: takes 5 values, the l",
    ),
    "delays": (
        changed(PLAIN, layers__7__recurrent_delays=torch.zeros(3)),
        r"layers.7.recurrent_delays has shape \[3\]; \[12\]",
    ),
    "long delays": (
        changed(PLAIN, layers__7__recurrent_delays=torch.full((N,), 2.0**32 + 3).double()),
        r"layers.7.recurrent_delays: 4.29497e\+09 steps; the longest delay allowed is 4094",
    ),
    "kernel": (
        changed(CONV, layers__7__recurrent_kernel=torch.zeros(3, 1, 5)),
        r"layers.7.recurrent_kernel has shape \[3, 1, 5\]; \[K\], \[1, 1, K\] or \[1, 1, K, 1\]",
    ),
    "kernel of two axes": (
        changed(CONV, layers__7__recurrent_kernel=torch.zeros(1, 3)),
        r"layers.7.recurrent_kernel has shape \[1, 3\]",
    ),
    "current": (
        changed(PLAIN, layers__7__recurrent_bias=torch.zeros(1)),
        r"layers.7.recurrent_bias has shape \[1\]; \[12\]",
    ),
    "two recurrences": (
        changed(PLAIN, layers__6__recurrent_kernel=torch.zeros(3)),
        "layers.7.recurrent_delays: a second recurrence beside layers.6",
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
    "text": ({"layers.0.weight": "x", "layers.1.weight": torch.zeros(2, 2)}, "is not a tensor"),
    "transposed": (
        changed(PLAIN, layers__10__weight=torch.zeros(N, OUT)),
        r"layers.10.weight has shape \[12, 4\], which is transposed; \[out, in\]",
    ),
    "first transposed": (
        changed(PLAIN, layers__0__weight=torch.zeros(IN, N)),
        r"layers.0.weight has shape \[9, 12\], which is transposed",
    ),
    "norm of a transposed weight": (
        {**changed(PLAIN, layers__0__weight=torch.zeros(IN, N)), "layers.0.bias": torch.zeros(IN)},
        r"layers.0.weight has shape \[9, 12\], which is transposed",
    ),
    "decays": (changed(PLAIN, layers__2__w=torch.zeros(N)), r"layers.2.w has shape \[12\]; one"),
    "norm of the norm": (
        changed(
            PLAIN, **{f"layers__3__{k}": torch.ones(N) for k in ("running_mean", "running_var")}
        ),
        "layers.3: several BatchNorms",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_checkpoints(what: str, tmp_path: Path) -> None:
    state, message = BAD[what]
    path = tmp_path / "best.pth"
    torch.save({"net": state}, path)
    with refusal(CheckpointError, message, 3, tmp_path):
        delrec_compile.from_checkpoint(path)


def test_a_dcls_layer_begins_a_block() -> None:
    weight, at = np.arange(2.0 * 3 * 2).reshape(2, 3, 2), np.zeros((1, 2, 3, 2))
    at[0, 1, 2] = -2, 2
    state = {"layers.0.weight": weight, "layers.0.P": at, "layers.2.weight": np.ones((1, 2))}
    first, _ = blocks_of("a.pth", state)
    own = first.weights(5, [])
    assert isinstance(own, SynapticWeights)
    assert np.array_equal(own.weight[1], weight[:, :, 1])
    assert own.delay[:, 1, 2].tolist() == [4, 0]
    for wrong, message in (
        ({"layers.0.weight": weight[:, :, 0]}, "weight has shape"),
        ({"layers.0.P": at[0]}, "P has shape"),
    ):
        with refusal(CheckpointError, f"layers.0.{message}", 3):
            blocks_of("a.pth", state | wrong)


FEEDFORWARD = Net(replace(SCRIPTS["delrec-shd"], recurrent=False))
MOVED = {
    key.replace("layers.1.", "layers.2."): value for key, value in FEEDFORWARD.state_dict().items()
}
UNSUPPORTED = {
    "a BatchNorm somewhere": (MOVED, "layers.2 is a BatchNorm 2 layers after its Linear"),
    "a recurrent readout": (
        changed(PLAIN, layers__11__recurrent_weights=torch.zeros(OUT, OUT)),
        "layers.10: the last layer is recurrent",
    ),
}


@pytest.mark.parametrize("what", UNSUPPORTED)
def test_what_networks_do_not_have(what: str, tmp_path: Path) -> None:
    state, message = UNSUPPORTED[what]
    torch.save({"net": state}, tmp_path / "best.pth")
    with refusal(UnsupportedError, message, 4, tmp_path):
        delrec_compile.from_checkpoint(tmp_path / "best.pth")


def test_shapes_that_say_the_same(tmp_path: Path) -> None:
    """A kernel of one axis, and delays with axes of one."""
    recipe = "conv-delrec-shd"
    made = delrec_compile.from_checkpoint(CONV.save(tmp_path / "best.pth"), recipe=recipe)
    state = dict(CONV.state_dict())
    state["layers.7.recurrent_kernel"] = state["layers.7.recurrent_kernel"].flatten()
    state["layers.7.recurrent_delays"] = state["layers.7.recurrent_delays"][:, None]
    torch.save({"net": state}, tmp_path / "flat.pth")
    again = delrec_compile.from_checkpoint(tmp_path / "flat.pth", recipe=recipe)
    assert checkpoint.digest(again.network) == checkpoint.digest(made.network)


def test_a_norm_is_behind_the_neurons_where_it_stands_behind_them() -> None:
    linear, norm = linear_parts.affine(np.eye(2)), linear_parts.Scale(np.ones(2), np.zeros(2))
    assert not Block(4, linear).norm_is_behind
    assert not Block(4, linear, norm=norm, norm_at=5).norm_is_behind
    assert Block(4, linear, norm=norm, norm_at=7).norm_is_behind
