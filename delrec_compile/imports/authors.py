"""Checkpoints of the DelRec and conv_delays code: `{'net': state dict, 'acc': .., 'epoch': ..}`.

A block begins with each Linear, `layers.<i>.weight`; a BatchNorm and a recurrence (`recurrent_kernel`
or `recurrent_weights`, with `recurrent_delays`) up to the next one belong to it. The last block is the
readout. Delays belong to the neuron that sends, rows of recurrent weights to those that receive.

The files hold neither the neurons' constants nor sigma, the spread of the delays: a spike of neuron
j arrives l steps later with max(0, s - |l - (1 + d_j)|) / s^2, s = 1 + sigma. The constants are those
of a recipe; sigma is 0 unless it is given.

Sources: arXiv 2509.24852 (DelRec), arXiv 2604.15997 and the layout of their authors' checkpoints.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile import freeze
from delrec_compile.errors import CheckpointError, NetworkError, UnsupportedError, UsageError
from delrec_compile.imports import feeds
from delrec_compile.imports.chain import Chain, Integrator, Neurons
from delrec_compile.imports.feeds import Feed
from delrec_compile.imports.result import Imported
from delrec_compile.network import ConvDelay, DenseDelay, Lif, Recurrence

F64 = NDArray[np.float64]
RECIPES = ("shd", "ssc")
# tau in steps, reset, where it fires, what the readout is
SHD = {"beta": 1 - 1 / 1.05, "reset": "hard", "fires": "at"}
SSC = {"beta": float(np.exp(-0.5)), "reset": "soft", "fires": "above"}
GAINS = ("one", "leak")
KEY = re.compile(r"layers\.(\d+)\.(.+)")
EPS = 1e-5
KNOWN = ("recurrent_kernel", "recurrent_weights", "recurrent_delays", "p_spread", "recurrent_bias")


@dataclass
class _Block:
    """Of one Linear: its tensors by their last name, with where they stand."""

    at: int
    feed: list[Feed] = field(default_factory=list)
    own: dict[str, F64] = field(default_factory=dict)


def from_checkpoint(
    path: Path | str,
    *,
    sigma: float = 0.0,
    recipe: str | None = None,
    tau: float | None = None,
    reset: str | None = None,
    fires: str | None = None,
    gain: str = "one",
    dt_ms: float = 10.0,
    max_input: int = 31,
    name: str = "network",
) -> Imported:
    """A checkpoint of the authors' code as a frozen network; it is read without running code.

    sigma: the spread of the delays to keep, 0 to 1. Their own tests run at a small one (0.06 on
    SHD) that is not in the file; with 0 a spike arrives once. Above 0, kernels become three heads.
    recipe: `shd` (LIF of SpikingJelly, tau 1.05, hard reset, the readout a LIF that never fires) or
    `ssc` (beta exp(-1/2), soft reset, linear readout); by default shd where there are BatchNorms.
    tau: in steps, beta = 1 - 1/tau. reset, fires: as of `Lif`. gain: of the current, `one`, or
    `leak`: 1 - beta, as later versions have it.

    Raises CheckpointError: no such checkpoint. UnsupportedError: what a network has not.
    """
    blocks = _blocks(path)
    norms = any(isinstance(part, feeds.Scale) for block in blocks for part in block.feed)
    remarks: list[str] = []
    if recipe is None:
        recipe = "shd" if norms else "ssc"
        why = "it has BatchNorms" if norms else "it has no BatchNorm"
        remarks.append(f"neurons of the recipe '{recipe}', as {why}; --recipe says otherwise")
    lif, beta = _neurons(recipe, tau, reset, fires, gain)
    chain = Chain(blocks[0].feed[0].inputs, remarks=remarks)
    for block in blocks[:-1]:
        for part in block.feed:
            chain.add(f"layers.{block.at}", part)
        chain.add(f"layers.{block.at}", Neurons(lif, *_recurrence(block, sigma, remarks)))
    last = blocks[-1]
    if last.own:
        raise UnsupportedError(
            f"layers.{last.at}: the last layer is recurrent; a readout is needed"
        )
    for part in last.feed:
        chain.add(f"layers.{last.at}", part)
    if recipe == "shd":
        chain.add(f"layers.{last.at}", Integrator(beta, 1 - beta if gain == "leak" else 1.0))
    if any(block.own for block in blocks):
        remarks.append(
            f"sigma {sigma:g}: the file does not hold the spread that it was tested with; measure "
            "the accuracy again (-i)"
        )
    notes = {"imported_from": "checkpoint", "recipe": recipe, "sigma": sigma}
    about: dict[str, Any] = {"dt_ms": dt_ms, "max_input": max_input, "name": name, "notes": notes}
    try:
        made = chain.network(**about, decision="softmax_sum")
    except NetworkError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Imported(freeze.snap(made), made, "a checkpoint", tuple(remarks))


def _neurons(
    recipe: str, tau: float | None, reset: str | None, fires: str | None, gain: str
) -> tuple[Lif, float]:
    for word, value, allowed in (("recipe", recipe, RECIPES), ("gain", gain, GAINS)):
        if value not in allowed:
            raise UsageError(f"unknown {word} '{value}'; allowed: {', '.join(allowed)}")
    told: dict[str, Any] = dict(SHD if recipe == "shd" else SSC)
    if tau is not None:
        if not tau >= 1:
            raise UsageError(f"tau is {tau}; steps from 1 are needed")
        told["beta"] = 1 - 1 / tau
    told |= {k: v for k, v in (("reset", reset), ("fires", fires)) if v is not None}
    try:
        lif = Lif(**told, gain=1 - told["beta"] if gain == "leak" else 1.0)
    except NetworkError as error:
        raise UsageError(str(error)) from error
    return lif, told["beta"]


def _blocks(path: Path | str) -> list[_Block]:
    tensors: dict[int, dict[str, F64]] = {}
    for key, value in _tensors(path).items():
        found = KEY.fullmatch(key)
        if not found:
            raise CheckpointError(f"{path}: unknown key '{key}'; keys of 'layers.<i>.' are needed")
        tensors.setdefault(int(found[1]), {})[found[2]] = value
    blocks: list[_Block] = []
    for at in sorted(tensors):
        own = tensors[at]
        if own.get("weight", np.zeros(1)).ndim == 2:
            blocks.append(_Block(at, [feeds.affine(own.pop("weight"), own.pop("bias", None))]))
        if not blocks:
            raise CheckpointError(f"{path}: layers.{at} comes before the first Linear")
        _take(blocks[-1], own, f"{path}: layers.{at}")
    for before, block in itertools.pairwise(blocks):
        if block.feed[0].inputs != before.feed[0].outputs:
            raise CheckpointError(
                f"{path}: layers.{block.at}: takes {block.feed[0].inputs} values, the layer before "
                f"sends {before.feed[0].outputs}"
            )
    if len(blocks) < 2:
        raise CheckpointError(f"{path}: {len(blocks)} Linear layers; two or more are needed")
    return blocks


def _take(block: _Block, own: dict[str, F64], where: str) -> None:
    """Adds the BatchNorm and the recurrence of a layer to its block."""
    for prefix in ("bn.", "norm.", ""):
        mean, variance = (own.pop(f"{prefix}running_{w}", None) for w in ("mean", "var"))
        if mean is None or variance is None:
            continue
        own.pop(f"{prefix}num_batches_tracked", None)
        weight, bias = own.pop(f"{prefix}weight", None), own.pop(f"{prefix}bias", None)
        if len(mean) != block.feed[0].outputs:
            raise CheckpointError(f"{where}: a BatchNorm of {len(mean)} channels")
        block.feed.append(feeds.Scale(*feeds.batch_norm(mean, variance, EPS, weight, bias)))
    unknown = sorted(set(own) - set(KNOWN))
    if unknown:
        raise CheckpointError(f"{where}.{unknown[0]}: unknown; allowed: {', '.join(KNOWN)}")
    block.own |= own


def _tensors(path: Path | str) -> dict[str, F64]:
    """Of the state dict, in float64. Only tensors and plain values are read, never code."""
    import torch

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = " ".join(str(error).split())[:120]
        raise CheckpointError(
            f"{path} is no checkpoint that can be read without running code ({first}); save it as "
            "{'net': model.state_dict()}"
        ) from error
    state = held.get("net", held) if isinstance(held, dict) else None
    if not isinstance(state, dict) or not state:
        raise CheckpointError(f"{path}: no state dict under 'net'")
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise CheckpointError(f"{path}: '{key}' is no tensor")
    tensors = {str(k): np.asarray(v.double().numpy()) for k, v in state.items()}
    for key, value in tensors.items():
        if not np.isfinite(value).all():
            raise CheckpointError(f"{path}: '{key}' holds numbers that are not finite")
    return tensors


def _recurrence(
    block: _Block, sigma: float, remarks: list[str]
) -> tuple[Recurrence | None, F64 | None]:
    own, where = block.own, f"layers.{block.at}"
    if not own:
        return None, None
    kernel, weight = own.get("recurrent_kernel"), own.get("recurrent_weights")
    if (kernel is None) == (weight is None):
        raise CheckpointError(f"{where}: one of recurrent_kernel and recurrent_weights is needed")
    n = block.feed[0].outputs
    real = np.ravel(own.get("recurrent_delays", np.zeros(n)))
    if len(real) != n:
        raise CheckpointError(f"{where}.recurrent_delays: {len(real)} delays for {n} neurons")
    delay = np.maximum(np.rint(real), 0)
    if off := float(np.abs(real - delay).max()):
        remarks.append(f"{where}: delays rounded to whole steps, by up to {off:.2f}")
    if not 0 <= sigma <= 1:
        raise UsageError(f"sigma is {sigma}; allowed: 0 to 1")
    try:
        if kernel is not None:
            if sigma and "p_spread" in own:
                raise UnsupportedError(
                    f"{where}: each neuron has a spread of its own; take sigma 0"
                )
            return _kernel(where, np.ravel(kernel), delay, sigma), own.get("recurrent_bias")
        if sigma:
            raise UnsupportedError(
                f"{where}: sigma {sigma:g} gives each synapse three delays; recurrent weights have "
                "one: take sigma 0"
            )
        assert weight is not None
        return DenseDelay(weight.astype(np.float32), delay.astype(np.int32)), own.get(
            "recurrent_bias"
        )
    except NetworkError as error:
        raise CheckpointError(f"{where}: {error}") from error


def _kernel(where: str, kernel: F64, delay: F64, sigma: float) -> ConvDelay:
    """With a spread, heads a step before, at, and a step after the delay."""
    at = delay.astype(np.int32)
    if not sigma:
        return ConvDelay(kernel.astype(np.float32), at)
    if delay.min() < 1:
        raise UnsupportedError(
            f"{where}: a spread of delays below 1 would arrive at once; take sigma 0"
        )
    s = 1 + sigma
    shares = np.array([s - 1, s, s - 1]) / s**2
    kernels = (shares[:, None] * kernel).astype(np.float32)
    return ConvDelay(kernels, np.stack([at - 1, at, at + 1]))
