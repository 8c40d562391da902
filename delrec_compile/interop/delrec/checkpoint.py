"""Checkpoints of the DelRec and conv_delays code, as their training scripts save them.

A block begins with each Linear, `layers.<i>.weight`, or Dcls1d, with `layers.<i>.P` too; a BatchNorm
and a recurrence (`recurrent_kernel` or `recurrent_weights`, with `recurrent_delays`) up to the next one
belong to it. The last block is the readout. Delays belong to the neuron that sends, rows of recurrent
weights to those that receive.

The files contain neither the neurons' constants nor the spread of the delays: the constants are
those of a recipe, the spread is 0 by default.

Sources: arXiv 2509.24852 (DelRec), arXiv 2604.15997 and the layout of their authors' checkpoints.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

from delrec_compile.errors import CheckpointError, NetworkError, UnsupportedError, UsageError
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.delrec.blocks import Block, blocks_of
from delrec_compile.interop.delrec.constants import (
    READOUT,
    READOUT_FIELDS,
    Changes,
    Constants,
    LayerKey,
    layer_changes,
)
from delrec_compile.interop.delrec.content import read_content
from delrec_compile.interop.delrec.recipes import Recipe, chosen_recipe
from delrec_compile.interop.delrec.recurrence import recurrences_of, spread_remark
from delrec_compile.interop.parts import Integrator, Neurons
from delrec_compile.interop.result import Imported
from delrec_compile.network import grid


def from_checkpoint(
    path: Path | str,
    *,
    recipe: str | None = None,
    layers: Any = None,
    tau: float | None = None,
    gain: str | float | None = None,
    fires: str | None = None,
    threshold: float | None = None,
    reset: str | None = None,
    sigma: float = 0.0,
    kernel_length: int | None = None,
    dt_ms: float | None = None,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str = "network",
) -> Imported:
    """A checkpoint of the authors' code as a frozen network; it is read without running code.

    recipe: the script whose neurons the network has, such as `delrec-shd`; by default the only one
    that saves such a file. tau (steps; beta = 1 - 1/tau), gain (`one`, `leak`: 1 - beta, or a
    number), fires, threshold, reset: other constants, of all layers; tau and gain also of a readout
    that leaks. layers: constants by layer, `{0: {"gain": 1, "fires": "at"}, "readout": {"tau": 2}}`
    or texts `0:gain=1,fires=at`, on top of those. sigma: spread of the recurrent delays, as heads on
    both sides of each delay. kernel_length: steps of the kernels of forward delays. dt_ms,
    kernel_length: those of the recipe by default.

    Raises CheckpointError for an invalid file, UnsupportedError for what networks do not have and
    for a file that could be of several recipes, UsageError for options.
    """
    content = read_content(path)
    blocks = blocks_of(str(path), content.tensors)
    remarks: list[str] = []
    taken = chosen_recipe(str(path), content, blocks, recipe, remarks)
    every = {"tau": tau, "gain": gain, "fires": fires, "threshold": threshold, "reset": reset}
    changes = {key: value for key, value in every.items() if value is not None}
    own: dict[str, Any] = {"name": name, "max_input": max_input, "input_bits": input_bits}
    own["dt_ms"] = taken.dt_ms if dt_ms is None else dt_ms
    try:
        return imported(blocks, taken, remarks, changes, layers, sigma, kernel_length, own)
    except NetworkError as error:
        raise CheckpointError(f"{path}: {error}") from error


def imported(
    blocks: list[Block],
    recipe: Recipe,
    remarks: list[str],
    changes: Changes,
    layers: Any,
    sigma: float,
    kernel_length: int | None,
    options: dict[str, Any],
) -> Imported:
    """The network of these blocks with the neurons of a recipe.

    changes: of the constants of all layers. layers, sigma, kernel_length: as in `from_checkpoint`.
    options: of `Chain.network`. Raises NetworkError too.
    """
    hidden, readout = _constants(blocks, recipe, changes, layer_changes(layers or {}))
    remarks += _constants_remarks(recipe, hidden, readout)
    length = _kernel_length(blocks, kernel_length, recipe, remarks)
    chain = _chain(blocks, hidden, sigma, length, remarks)
    if readout is not None:
        chain.add(f"layers.{blocks[-1].at}", Integrator(readout.beta, readout.factor))
    remarks += spread_remark(blocks, sigma, recipe.sigma)
    notes = {"imported_from": "checkpoint", "recipe": recipe.name, "sigma": sigma}
    network = chain.network(notes=notes, decision=recipe.decision, **options)
    return Imported(grid.snap(network), network, "a checkpoint", tuple(remarks))


def _constants(
    blocks: list[Block], recipe: Recipe, every: Changes, by_layer: dict[LayerKey, Changes]
) -> tuple[list[Constants], Constants | None]:
    """Constants of each spiking layer and of the readout: recipe, file, all layers, one layer.

    Raises UsageError for a layer that is not there.
    """
    count = len(blocks) - 1
    unknown = [key for key in by_layer if key != READOUT and int(key) >= count]
    if unknown:
        raise UsageError(
            f"layer {unknown[0]}: the network has spiking layers 0 to {count - 1}, and the readout"
        )
    hidden = []
    for i, block in enumerate(blocks[:-1]):
        own = _decayed(recipe.recurrent if block.recurrence else recipe.plain, block)
        own = own.changed("all layers", every)
        hidden.append(own.changed(f"layer {i}", by_layer.get(i, {})))
    own_changes = by_layer.get(READOUT, {})
    if recipe.readout is None and blocks[-1].decay is None:
        if own_changes:
            raise UsageError(f"layer {READOUT}: that of {recipe.name} has no neurons to change")
        return hidden, None
    wrong = sorted(set(own_changes) - set(READOUT_FIELDS))
    if wrong:
        raise UsageError(
            f"layer {READOUT}: unknown field '{wrong[0]}'; allowed: {', '.join(READOUT_FIELDS)}"
        )
    shared = {key: value for key, value in every.items() if key in READOUT_FIELDS}
    last = _decayed(recipe.readout or recipe.plain, blocks[-1]).changed("all layers", shared)
    return hidden, last.changed(f"layer {READOUT}", own_changes)


def _decayed(constants: Constants, block: Block) -> Constants:
    return constants if block.decay is None else replace(constants, beta=1 - block.decay)


def _constants_remarks(
    recipe: Recipe, hidden: list[Constants], readout: Constants | None
) -> list[str]:
    """The recipe, and the constants of every layer: what its user has to compare."""
    parts, first = [], 0
    for text, alike in itertools.groupby(constants.text() for constants in hidden):
        last = first + len(list(alike)) - 1
        parts.append(f"{_layer_names(first, last, len(hidden))}: {text}")
        first = last + 1
    if readout is not None:
        parts.append(f"readout: beta {readout.beta:.6g}, gain {readout.factor:.6g}")
    told = "; ".join(parts)
    return [f"neurons of {recipe.name} ({recipe.script}): {told}; --recipe and --layer change them"]


def _layer_names(first: int, last: int, count: int) -> str:
    if last - first + 1 == count:
        return "every layer"
    return f"layer {first}" if first == last else f"layers {first} to {last}"


def _kernel_length(
    blocks: list[Block], given: int | None, recipe: Recipe, remarks: list[str]
) -> int:
    """Steps of the kernels of forward delays. Raises UsageError."""
    length = recipe.kernel_length if given is None else given
    if length < 1 or length % 2 == 0:
        raise UsageError(f"kernel_length is {length}; an odd number of steps is required")
    if given is None and any(block.kernels is not None for block in blocks):
        remarks.append(
            f"forward delays of kernels of {length} steps, as {recipe.name} has them, which is not in "
            "the file; --kernel-length changes it"
        )
    return length


def _chain(
    blocks: list[Block],
    constants: list[Constants],
    sigma: float,
    kernel_length: int,
    remarks: list[str],
) -> Chain:
    """All parts but the neurons of the readout. Raises UnsupportedError."""
    chain = Chain(blocks[0].linear.inputs, remarks=remarks)
    for i, (block, own) in enumerate(zip(blocks[:-1], constants, strict=True)):
        norm, name = block.norm, f"layers.{block.at}"
        chain.add(name, block.weights(kernel_length, remarks))
        if norm is not None and not block.norm_is_behind:
            chain.add(f"layers.{block.norm_at}", norm)
        chain.add(name, Neurons(own.lif(f"layer {i}"), *recurrences_of(block, sigma, remarks)))
        if norm is not None and block.norm_is_behind:
            chain.add(f"layers.{block.norm_at}", norm)
    last = blocks[-1]
    if last.recurrence:
        raise UnsupportedError(
            f"layers.{last.at}: the last layer is recurrent; a readout is required"
        )
    chain.add(f"layers.{last.at}", last.weights(kernel_length, remarks))
    if last.norm is not None:
        chain.add(f"layers.{last.norm_at}", last.norm)
    return chain
