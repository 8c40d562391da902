"""A checkpoint of the DelRec and conv_delays code as blocks, one for each Linear.

A tensor that does not fit is refused by its key.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, UnsupportedError, UsageError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.linear_parts import Affine, Scale
from delrec_compile.interop.parts import SynapticWeights

KEY = re.compile(r"layers\.(0|[1-9][0-9]{0,8})\.(.+)")
EPS = 1e-5
NORMS = ("bn.", "norm.", "")  # prefixes of a layer's BatchNorm
RECURRENCE = (
    "recurrent_kernel",
    "recurrent_weights",
    "recurrent_delays",
    "p_spread",
    "recurrent_bias",
)
DECAYS = ("w", "neuron_module.w")  # of ParametricLIFNode: sigmoid(w) is 1 / tau
KNOWN = (*RECURRENCE, *DECAYS)
POSITIONS, WIDTHS = "P", "SIG"  # of the kernels of a Dcls1d
DCLS = (POSITIONS, WIDTHS)
BEFORE, BEHIND = (
    1,
    4,
)  # layers from a Linear to its BatchNorm: before its neurons, behind their spikes


@dataclass
class Block:
    """One Linear with its BatchNorm and its neurons, whose layers of the model come after it.

    at: index of the Linear. kernels, positions: of a Dcls1d in its place, (K, out, in), which gives each
    synapse K delays. has_bias: whether the file has one. norm: its BatchNorm. norm_at, norm_key:
    its index and the prefix of its keys. recurrence: tensors by their last name. recurrence_at: index
    of their layer. decay: 1 / tau of the neurons, where the file holds it. decay_at: its layer.
    """

    at: int
    linear: Affine
    kernels: F64 | None = None
    positions: F64 | None = None
    has_bias: bool = False
    norm: Scale | None = None
    norm_at: int = 0
    norm_key: str = ""
    recurrence: dict[str, F64] = field(default_factory=dict)
    recurrence_at: int = 0
    decay: float | None = None
    decay_at: int = 0

    @property
    def neurons_at(self) -> int:
        """Index of the neurons' layer; 0 if nothing in the file tells it."""
        return self.recurrence_at or self.decay_at

    def weights(self, length: int, remarks: list[str]) -> Affine | SynapticWeights:
        """The weights; those of a Dcls1d with their delays, (length - 1) / 2 less their positions.

        length: of its kernels. Raises UsageError for positions outside of them.
        """
        if self.kernels is None or self.positions is None:
            return self.linear
        half = (length - 1) // 2
        whole = np.rint(self.positions)
        if (furthest := np.abs(whole).max(initial=0)) > half:
            raise UsageError(
                f"layers.{self.at}.{POSITIONS}: a position of {furthest:g} lies outside of kernels of "
                f"{length} steps, -{half} to {half}; --kernel-length is {2 * furthest + 1:g} or more"
            )
        if off := float(np.abs(whole - self.positions).max(initial=0)):
            remarks.append(
                f"layers.{self.at}: positions rounded to whole steps, by up to {off:.2f}"
            )
        return SynapticWeights(self.kernels, (half - whole).astype(np.int64), self.linear.bias)

    @property
    def norm_is_behind(self) -> bool:
        """Whether the BatchNorm takes the spikes of the neurons, not their currents."""
        if self.norm is None:
            return False
        return self.norm_at > (self.neurons_at or self.at + BEFORE)


def blocks_of(where: str, tensors: Mapping[str, F64]) -> list[Block]:
    """The blocks of a state dict, two or more, each fed by the one before.

    where: the file, for messages. Raises CheckpointError, UnsupportedError.
    """
    layers = _by_layer(where, tensors)
    blocks: list[Block] = []
    for at in sorted(layers):
        own = layers[at]
        name = f"{where}: layers.{at}"
        if own.get("weight", np.zeros(1)).ndim == 2 and not set(DCLS) & own.keys():
            blocks.append(_begun(name, own, at))
        elif own.get("weight", np.zeros(1)).ndim == 3 or set(DCLS) & own.keys():
            blocks.append(_with_delays(name, own, at))
        if not blocks:
            raise CheckpointError(f"{name} comes before the first Linear")
        _add(blocks[-1], own, at, name)
    for before, block in itertools.pairwise(blocks):
        _check_sizes(where, before, block)
    for block in blocks[:-1]:
        _check_norm(where, block)
    if len(blocks) < 2:
        raise CheckpointError(f"{where}: {len(blocks)} Linear layers; two or more are required")
    return blocks


def values(where: str, own: dict[str, F64], key: str, n: int) -> F64 | None:
    """Removes and returns a tensor of one value per neuron, or None. Raises CheckpointError."""
    tensor = own.pop(key, None)
    if tensor is not None and tensor.shape != (n,):
        raise CheckpointError(f"{where}.{key} has shape {list(tensor.shape)}; [{n}] is required")
    return tensor


def _by_layer(where: str, tensors: Mapping[str, F64]) -> dict[int, dict[str, F64]]:
    layers: dict[int, dict[str, F64]] = {}
    for key, value in tensors.items():
        match = KEY.fullmatch(key)
        if not match:
            raise CheckpointError(
                f"{where}: unknown key '{key}'; keys of 'layers.<i>.' are required, as the DelRec and "
                "conv_delays code saves; a model of your own: import module:function"
            )
        layers.setdefault(int(match[1]), {})[match[2]] = value
    return layers


def _with_delays(where: str, own: dict[str, F64], at: int) -> Block:
    """The block of a Dcls1d: a Linear with delays for every forward synapse."""
    weight, positions = own.pop("weight", None), own.pop(POSITIONS, None)
    own.pop(WIDTHS, None)  # the scripts set them to 0 for a test
    shape = () if weight is None else weight.shape
    if weight is None or weight.ndim != 3 or weight.size == 0:
        raise CheckpointError(
            f"{where}.weight has shape {list(shape)}; a Dcls1d has [out, in, delays]"
        )
    if positions is None or positions.shape != (1, *shape):
        found = "is missing" if positions is None else f"has shape {list(positions.shape)}"
        raise CheckpointError(f"{where}.{POSITIONS} {found}; {[1, *shape]} is required")
    bias = values(where, own, "bias", len(weight))
    kernels, places = np.moveaxis(weight, 2, 0), np.moveaxis(positions[0], 2, 0)
    linear = linear_parts.affine(kernels.sum(axis=0), bias)
    return Block(at, linear, kernels, places, has_bias=bias is not None)


def _begun(where: str, own: dict[str, F64], at: int) -> Block:
    weight = own.pop("weight")
    if weight.size == 0:
        raise CheckpointError(
            f"{where}.weight has shape {list(weight.shape)}; [out, in] is required"
        )
    _check_rows(where, weight, own.get("bias"))
    bias = values(where, own, "bias", len(weight))
    return Block(at, linear_parts.affine(weight, bias), has_bias=bias is not None)


def _check_rows(where: str, weight: F64, of_rows: F64 | None) -> None:
    """Raises CheckpointError if a weight has its columns where its rows belong.

    of_rows: a tensor with a value for each row, or None.
    """
    if of_rows is not None and len(weight) != of_rows.size == weight.shape[1]:
        raise CheckpointError(
            f"{where}.weight has shape {list(weight.shape)}, which is transposed; [out, in] is required"
        )


def _check_sizes(where: str, before: Block, block: Block) -> None:
    """Raises CheckpointError if a Linear does not take what the one before it sends."""
    sent, taken = before.linear.outputs, block.linear.inputs
    if sent == taken:
        return
    for one, fits in (
        (block, block.linear.outputs == sent),
        (before, before.linear.inputs == taken),
    ):
        if fits:
            raise CheckpointError(
                f"{where}: layers.{one.at}.weight has shape {list(one.linear.weight.shape)}, which is "
                "transposed; [out, in] is required"
            )
    raise CheckpointError(
        f"{where}: layers.{block.at}: takes {taken} values, the layer before sends {sent}"
    )


def _check_norm(where: str, block: Block) -> None:
    """Raises UnsupportedError if nothing tells on which side of the neurons a BatchNorm stands."""
    known = block.neurons_at or block.norm_at - block.at in (BEFORE, BEHIND)
    if block.norm is not None and not known:
        raise UnsupportedError(
            f"{where}: layers.{block.norm_at} is a BatchNorm {block.norm_at - block.at} layers after "
            f"its Linear, and the file does not tell whether before or behind the neurons; {BEFORE} is "
            f"before, {BEHIND} behind"
        )


def _add(block: Block, own: dict[str, F64], at: int, where: str) -> None:
    """Adds the BatchNorm, the recurrence and the decay of a layer to its block."""
    norms = [p for p in NORMS if {f"{p}running_mean", f"{p}running_var"} & own.keys()]
    if len(norms) > 1 or (norms and block.norm):
        names = ", ".join(f"layers.{at}.{p}running_mean" for p in norms)
        raise CheckpointError(f"{where}: several BatchNorms ({names}); one is required")
    for key in norms:
        block.norm, block.norm_at, block.norm_key = _norm(own, key, where, block), at, key
    for key in DECAYS:
        if key in own:
            block.decay, block.decay_at = _decay(f"{where}.{key}", own.pop(key)), at
    unknown = sorted(set(own) - set(RECURRENCE))
    if unknown:
        raise CheckpointError(f"{where}.{unknown[0]}: unknown; allowed: {', '.join(KNOWN)}")
    if own and block.recurrence:
        raise CheckpointError(
            f"{where}.{min(own)}: a second recurrence beside layers.{block.recurrence_at}; "
            "one is required"
        )
    if own:
        _check_kernel(where, own.get("recurrent_kernel", np.zeros(1)))
        block.recurrence, block.recurrence_at = own, at


def _check_kernel(where: str, kernel: F64) -> None:
    """Raises CheckpointError if it is not a kernel (K,) over the neurons, of one channel."""
    if kernel.shape not in ((kernel.size,), (1, 1, kernel.size), (1, 1, kernel.size, 1)):
        raise CheckpointError(
            f"{where}.recurrent_kernel has shape {list(kernel.shape)}; [K], [1, 1, K] or "
            "[1, 1, K, 1] is required"
        )


def _norm(own: dict[str, F64], prefix: str, where: str, block: Block) -> Scale:
    own.pop(f"{prefix}num_batches_tracked", None)
    names = ("running_mean", "running_var", "weight", "bias")
    n = block.linear.outputs
    at = f"{where.rpartition('.')[0]}.{block.at}"
    _check_rows(at, block.linear.weight, own.get(f"{prefix}running_mean"))
    mean, variance, weight, bias = (values(where, own, prefix + name, n) for name in names)
    for name, value in (("running_mean", mean), ("running_var", variance)):
        if value is None:
            raise CheckpointError(f"{where}.{prefix}{name} is missing; a BatchNorm needs it")
    if variance is not None and (variance < 0).any():
        raise CheckpointError(f"{where}.{prefix}running_var is below 0; variances are required")
    return Scale(*linear_parts.batch_norm(mean, variance, EPS, weight, bias))


def _decay(where: str, w: F64) -> float:
    """1 / tau of a ParametricLIFNode, as it computes it. Raises CheckpointError."""
    if w.size != 1:
        raise CheckpointError(f"{where} has shape {list(w.shape)}; one number is required")
    return float(0.5 * (1 + np.tanh(w.ravel()[0] / 2)))
