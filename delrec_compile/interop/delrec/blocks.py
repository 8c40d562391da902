"""A checkpoint of the DelRec and conv_delays code as blocks, one for each Linear.

Only tensors and plain values are read, never code. A tensor that does not fit is refused by its key.
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
from delrec_compile.interop.linear_parts import LinearPart

KEY = re.compile(r"layers\.(0|[1-9][0-9]{0,8})\.(.+)")
EPS = 1e-5
NORMS = ("bn.", "norm.", "")  # prefixes of a layer's BatchNorm
KNOWN = ("recurrent_kernel", "recurrent_weights", "recurrent_delays", "p_spread", "recurrent_bias")


@dataclass
class Block:
    """One Linear with its BatchNorms, and its recurrence.

    at: index of its layer. parts: the linear parts. recurrence: tensors by their last name.
    recurrence_at: index of their layer.
    """

    at: int
    parts: list[LinearPart] = field(default_factory=list)
    recurrence: dict[str, F64] = field(default_factory=dict)
    recurrence_at: int = 0


def blocks_of(path: Path | str) -> list[Block]:
    """The blocks of a checkpoint, two or more, each fed by the one before. Raises CheckpointError."""
    tensors: dict[int, dict[str, F64]] = {}
    for key, value in _tensors(path).items():
        match = KEY.fullmatch(key)
        if not match:
            raise CheckpointError(
                f"{path}: unknown key '{key}'; keys of 'layers.<i>.' are required"
            )
        tensors.setdefault(int(match[1]), {})[match[2]] = value
    blocks: list[Block] = []
    for at in sorted(tensors):
        own = tensors[at]
        where = f"{path}: layers.{at}"
        if own.get("weight", np.zeros(1)).ndim == 2:
            weight = own.pop("weight")
            if weight.size == 0:
                raise CheckpointError(
                    f"{where}.weight has shape {list(weight.shape)}; [out, in] is required"
                )
            bias = values(where, own, "bias", len(weight))
            blocks.append(Block(at, [linear_parts.affine(weight, bias)]))
        if not blocks:
            raise CheckpointError(f"{where} comes before the first Linear")
        _add(blocks[-1], own, at, where)
    for before, block in itertools.pairwise(blocks):
        if block.parts[0].inputs != before.parts[0].outputs:
            raise CheckpointError(
                f"{path}: layers.{block.at}: takes {block.parts[0].inputs} values, the layer before "
                f"sends {before.parts[0].outputs}"
            )
    if len(blocks) < 2:
        raise CheckpointError(f"{path}: {len(blocks)} Linear layers; two or more are required")
    return blocks


def values(where: str, own: dict[str, F64], key: str, n: int) -> F64 | None:
    """Removes and returns a tensor of one value per neuron, or None. Raises CheckpointError."""
    tensor = own.pop(key, None)
    if tensor is not None and tensor.shape != (n,):
        raise CheckpointError(f"{where}.{key} has shape {list(tensor.shape)}; [{n}] is required")
    return tensor


def _add(block: Block, own: dict[str, F64], at: int, where: str) -> None:
    """Adds the BatchNorm and the recurrence of a layer to its block."""
    norms = [p for p in NORMS if {f"{p}running_mean", f"{p}running_var"} & own.keys()]
    if len(norms) > 1:
        names = ", ".join(f"{p}running_mean" for p in norms)
        raise CheckpointError(f"{where}: several BatchNorms ({names}); one is required")
    for prefix in norms:
        block.parts.append(_norm(own, prefix, where, block.parts[0].outputs))
    unknown = sorted(set(own) - set(KNOWN))
    if unknown:
        raise CheckpointError(f"{where}.{unknown[0]}: unknown; allowed: {', '.join(KNOWN)}")
    if own and block.recurrence:
        raise CheckpointError(
            f"{where}.{min(own)}: a second recurrence beside layers.{block.recurrence_at}; "
            "one is required"
        )
    if own:
        block.recurrence, block.recurrence_at = own, at


def _norm(own: dict[str, F64], prefix: str, where: str, n: int) -> linear_parts.Scale:
    own.pop(f"{prefix}num_batches_tracked", None)
    names = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (values(where, own, prefix + name, n) for name in names)
    for name, value in (("running_mean", mean), ("running_var", variance)):
        if value is None:
            raise CheckpointError(f"{where}.{prefix}{name} is missing; a BatchNorm needs it")
    if variance is not None and (variance < 0).any():
        raise CheckpointError(f"{where}.{prefix}running_var is below 0; variances are required")
    return linear_parts.Scale(*linear_parts.batch_norm(mean, variance, EPS, weight, bias))


def _tensors(path: Path | str) -> dict[str, F64]:
    """Tensors of the state dict, in float64. Raises CheckpointError."""
    import torch

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = " ".join(str(error).split())[:120]
        raise CheckpointError(
            f"{path} cannot be read without running code ({first}); save it as "
            "{'net': model.state_dict()}"
        ) from error
    state = content.get("net", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state:
        raise CheckpointError(f"{path}: has no state dict under 'net'")
    return {str(key): _array(f"{path}: '{key}'", value) for key, value in state.items()}


def _array(where: str, value: Any) -> F64:
    import torch

    if not isinstance(value, torch.Tensor):
        raise CheckpointError(f"{where} is not a tensor")
    unsupported = {
        "without values": value.is_meta,
        "of complex numbers": value.is_complex(),
        "of quantized numbers": value.is_quantized,
        "that is not dense": value.layout != torch.strided or value.is_nested,
    }
    for what, applies in unsupported.items():
        if applies:
            raise CheckpointError(f"{where} is a tensor {what}; dense real numbers are required")
    array = np.asarray(value.detach().double().numpy())
    if not np.isfinite(array).all():
        raise CheckpointError(f"{where} contains numbers that are not finite")
    return array
