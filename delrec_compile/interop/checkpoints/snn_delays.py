"""Checkpoints of SNN-delays: forward delays of every synapse, learned by DCLS.

A model is blocks of Dcls1d, BatchNorm, neurons and Dropout, whose keys begin with `model.<i>.`: the
layout of DelRec's forward delays. The last block's neurons never fire. Positions are rounded, as the
code does before its test.

Source: github.com/Thvnvtos/SNN-delays (Hammouamri et al., arXiv 2306.17670), `snn_delays.py` and the
files `best_config_*.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from delrec_compile.errors import CheckpointError, UnsupportedError, UsageError
from delrec_compile.interop.delrec.blocks import Block, blocks_of
from delrec_compile.interop.delrec.checkpoint import imported
from delrec_compile.interop.delrec.constants import Constants
from delrec_compile.interop.delrec.content import Content
from delrec_compile.interop.delrec.recipes import SHD, Recipe
from delrec_compile.interop.result import Imported

CODE = "SNN-delays"
ROOT, THEIRS = "layers.", "model."  # of keys


def _recipe(name: str, script: str, tau: float, kernel_length: int) -> Recipe:
    own = Constants(1 - 1 / tau)
    return Recipe(name, f"SNN-delays {script}", SHD, own, own, 0.0, kernel_length=kernel_length)


RECIPES = {
    r.name: r
    for r in (
        _recipe("snn-delays-shd", "best_config_SHD.py", 1.005, 25),
        _recipe("snn-delays-ssc", "best_config_SSC.py, best_config_GSC.py", 1.5, 31),
    )
}
OUTPUTS = {20: "snn-delays-shd", 35: "snn-delays-ssc"}


def read(
    where: str,
    content: Content,
    *,
    recipe: str | None = None,
    layers: Any = None,
    tau: float | None = None,
    gain: str | float | None = None,
    fires: str | None = None,
    threshold: float | None = None,
    reset: str | None = None,
    kernel_length: int | None = None,
    dt_ms: float | None = None,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str = "network",
) -> Imported:
    """The network of a state dict. where: the file, for messages. options: see `delrec.checkpoint`.

    recipe: by default that with as many classes. Raises CheckpointError, UnsupportedError, UsageError,
    NetworkError.
    """
    every = {"tau": tau, "gain": gain, "fires": fires, "threshold": threshold, "reset": reset}
    changes = {key: value for key, value in every.items() if value is not None}
    with _their_names():
        tensors = {k.replace(THEIRS, ROOT, 1): v for k, v in content.tensors.items()}
        blocks = blocks_of(where, tensors)
        _check_synapses(where, blocks)
        taken = _chosen(where, blocks, recipe)
        own: dict[str, Any] = {"name": name, "max_input": max_input, "input_bits": input_bits}
        own["dt_ms"] = taken.dt_ms if dt_ms is None else dt_ms
        made = imported(blocks, taken, [], changes, layers, 0.0, kernel_length, own)
    return replace(made, remarks=tuple(r.replace(ROOT, THEIRS) for r in made.remarks))


def _chosen(where: str, blocks: list[Block], name: str | None) -> Recipe:
    name = OUTPUTS.get(blocks[-1].linear.outputs) if name is None else name
    if name is None:
        listed = ", ".join(f"{r.name} ({r.script})" for r in RECIPES.values())
        raise UnsupportedError(
            f"{where}: the file does not tell which neurons it was trained with, nor the length of the "
            f"kernels of its delays; choose a recipe (--recipe): {listed}"
        )
    if name not in RECIPES:
        raise UsageError(f"unknown recipe '{name}'; allowed: {', '.join(RECIPES)}")
    return RECIPES[name]


def _check_synapses(where: str, blocks: list[Block]) -> None:
    """Raises UnsupportedError for a SynapseFilter, of which the file has no more than its place."""
    for block, after in itertools.pairwise(blocks):
        length = 3 + (block.norm is not None)  # Dcls1d, BatchNorm, neurons, Dropout
        if after.at - block.at != length:
            raise UnsupportedError(
                f"{where}: {ROOT}{block.at + length}: a layer behind the Dropout of a block, such as "
                "the SynapseFilter of stateful_synapse, whose decay pauses at a spike; networks have "
                "none"
            )


@contextmanager
def _their_names() -> Iterator[None]:
    """Errors with the keys as they stand in the file."""
    try:
        yield
    except (CheckpointError, UnsupportedError, UsageError) as error:
        raise type(error)(str(error).replace(ROOT, THEIRS)) from error
