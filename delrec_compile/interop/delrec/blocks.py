"""A checkpoint of the DelRec and conv_delays code as blocks, one for each Linear.

Only tensors and plain values are read, never code. What does not fit is refused by its key.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.linear_parts import Feed

KEY = re.compile(r"layers\.(0|[1-9][0-9]{0,8})\.(.+)")
EPS = 1e-5
NORMS = ("bn.", "norm.", "")  # what BatchNorms of a layer are called
KNOWN = ("recurrent_kernel", "recurrent_weights", "recurrent_delays", "p_spread", "recurrent_bias")


@dataclass
class Block:
    """Of one Linear: where it stands, its weights and BatchNorms, and its recurrence.

    own: the tensors of the recurrence by their last name. own_at: where they stand.
    """

    at: int
    feed: list[Feed] = field(default_factory=list)
    own: dict[str, F64] = field(default_factory=dict)
    own_at: int = 0


def blocks_of(path: Path | str) -> list[Block]:
    """Two or more, each fed by the one before. Raises CheckpointError."""
    tensors: dict[int, dict[str, F64]] = {}
    for key, value in _tensors(path).items():
        found = KEY.fullmatch(key)
        if not found:
            raise CheckpointError(f"{path}: unknown key '{key}'; keys of 'layers.<i>.' are needed")
        tensors.setdefault(int(found[1]), {})[found[2]] = value
    blocks: list[Block] = []
    for at in sorted(tensors):
        own = tensors[at]
        where = f"{path}: layers.{at}"
        if own.get("weight", np.zeros(1)).ndim == 2:
            weight = own.pop("weight")
            if weight.size == 0:
                raise CheckpointError(
                    f"{where}.weight has shape {list(weight.shape)}; [out, in] is needed"
                )
            bias = values(where, own, "bias", len(weight))
            blocks.append(Block(at, [linear_parts.affine(weight, bias)]))
        if not blocks:
            raise CheckpointError(f"{where} comes before the first Linear")
        _take(blocks[-1], own, at, where)
    for before, block in itertools.pairwise(blocks):
        if block.feed[0].inputs != before.feed[0].outputs:
            raise CheckpointError(
                f"{path}: layers.{block.at}: takes {block.feed[0].inputs} values, the layer before "
                f"sends {before.feed[0].outputs}"
            )
    if len(blocks) < 2:
        raise CheckpointError(f"{path}: {len(blocks)} Linear layers; two or more are needed")
    return blocks


def values(where: str, own: dict[str, F64], key: str, n: int) -> F64 | None:
    """Takes out a tensor of one value for each neuron, or None where there is none."""
    found = own.pop(key, None)
    if found is not None and found.shape != (n,):
        raise CheckpointError(f"{where}.{key} has shape {list(found.shape)}; [{n}] is needed")
    return found


def _take(block: Block, own: dict[str, F64], at: int, where: str) -> None:
    """Adds the BatchNorm and the recurrence of a layer to its block."""
    norms = [p for p in NORMS if {f"{p}running_mean", f"{p}running_var"} & own.keys()]
    if len(norms) > 1:
        names = ", ".join(f"{p}running_mean" for p in norms)
        raise CheckpointError(f"{where}: several BatchNorms ({names}); one is needed")
    for prefix in norms:
        block.feed.append(_norm(own, prefix, where, block.feed[0].outputs))
    unknown = sorted(set(own) - set(KNOWN))
    if unknown:
        raise CheckpointError(f"{where}.{unknown[0]}: unknown; allowed: {', '.join(KNOWN)}")
    if own and block.own:
        raise CheckpointError(
            f"{where}.{min(own)}: a second recurrence beside layers.{block.own_at}; one is needed"
        )
    if own:
        block.own, block.own_at = own, at


def _norm(own: dict[str, F64], prefix: str, where: str, n: int) -> linear_parts.Scale:
    own.pop(f"{prefix}num_batches_tracked", None)
    words = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (values(where, own, prefix + word, n) for word in words)
    for word, value in (("running_mean", mean), ("running_var", variance)):
        if value is None:
            raise CheckpointError(f"{where}.{prefix}{word} is missing; a BatchNorm needs it")
    if variance is not None and (variance < 0).any():
        raise CheckpointError(f"{where}.{prefix}running_var is below 0; variances are needed")
    return linear_parts.Scale(*linear_parts.batch_norm(mean, variance, EPS, weight, bias))


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
    return {str(key): _array(f"{path}: '{key}'", value) for key, value in state.items()}


def _array(where: str, value: Any) -> F64:
    import torch

    if not isinstance(value, torch.Tensor):
        raise CheckpointError(f"{where} is no tensor")
    odd = {
        "without values": value.is_meta,
        "of complex numbers": value.is_complex(),
        "of quantized numbers": value.is_quantized,
        "that is not dense": value.layout != torch.strided or value.is_nested,
    }
    for what, found in odd.items():
        if found:
            raise CheckpointError(f"{where} is a tensor {what}; dense real numbers are needed")
    array = np.asarray(value.detach().double().numpy())
    if not np.isfinite(array).all():
        raise CheckpointError(f"{where} holds numbers that are not finite")
    return array
