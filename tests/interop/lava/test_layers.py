"""Layers of a Lava description: the order of files, and what is damaged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.lava import conv, cuba, dense
from helpers import refusal

from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop.lava.layers import LayerReader

DENSE = dense(np.full((2, 3), 4), cuba(1, 1, 9))
CONV = conv(np.full((2, 1, 3, 3), 4), (2, 4, 4), cuba(1, 1, 9), padding=(1, 1))
INPUT = {"type": "input", "shape": [1, 4, 4]}
POOL = {**CONV, "type": "pool", "weight": np.ones((1, 1, 2, 2)), "kernelSize": (2, 2)}
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, "has no layers"),
    "gap": ({"0": DENSE, "2": DENSE}, "no layer '1' .but 0, 2"),
    "no type": ({"0": {}}, "layer.0 has no 'type'"),
    "no input": ({"0": CONV}, "the shape of the network's input is not in the file"),
    "no neuron": ({"0": {k: v for k, v in DENSE.items() if k != "neuron"}}, "no group 'neuron'"),
    "flat maps": ({"0": {"type": "input", "shape": [5]}, "1": CONV}, "a convolution of values"),
    "text": ({"0": DENSE | {"weight": "none"}}, "layer.0/weight is no array of numbers"),
    "nan": ({"0": DENSE | {"weight": [[np.nan]]}}, "layer.0/weight holds no finite numbers"),
    "shape": ({"0": DENSE | {"shape": [0]}}, "layer.0/shape: up to three positive sizes"),
    "huge": ({"0": {"type": "input", "shape": [1, 100_000, 100_000]}}, "at most 16,777,216 are"),
    "window": ({"0": INPUT, "1": POOL | {"kernelSize": [1, 1]}}, "do not fit each other"),
    "axes": ({"0": INPUT, "1": CONV | {"weight": np.ones((2, 1, 3))}}, "layer.1"),
    "decays": ({"0": DENSE | {"neuron": cuba(1, 1, 9) | {"vDecay": [1, 2, 3]}}}, "3 numbers for 2"),
    "delay": ({"0": DENSE | {"delay": [-1, 0]}}, "-1 steps; 0 or more"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_damage_is_named(name: str) -> None:
    layers, message = FAULTS[name]
    with refusal(CheckpointError, message, 3):
        LayerReader(layers).read()


def test_layers_behind_an_average_are_refused() -> None:
    average = {"type": "average", "shape": [2]}
    with refusal(UnsupportedError, "layer.2: a layer behind an average", 4):
        LayerReader({"0": DENSE, "1": average, "2": DENSE}).read()


def test_a_convolution_without_a_padding_has_none() -> None:
    bare = {k: v for k, v in CONV.items() if k != "padding"} | {"shape": [2, 2, 2]}
    LayerReader({"0": INPUT, "1": bare}).read()
    with refusal(CheckpointError, "layer.1", 3):
        LayerReader({"0": INPUT, "1": bare | {"shape": [2, 4, 4]}}).read()
