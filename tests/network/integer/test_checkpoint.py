"""Integer networks in files: there and back, and damaged descriptions."""

from __future__ import annotations

import json

import cases
import numpy as np
import pytest
from helpers import refusal
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes

from delrec_compile.aliases import INTEGER_MODES
from delrec_compile.errors import CheckpointError, NetworkError
from delrec_compile.network.integer.checkpoint import describe, from_description, synapses_of
from delrec_compile.network.integer.quantise import quantise


@pytest.mark.parametrize("numeric", INTEGER_MODES)
@pytest.mark.parametrize(
    "name", ["mixed", "feed_forward", "both_layers", "all_kinds", "recurrent_maps", "own_adlif"]
)
def test_a_network_comes_back_from_its_arrays(name: str, numeric: str) -> None:
    network = quantise(cases.network(name), numeric)
    arrays, config = describe(network)
    again = from_description(from_bytes(to_bytes(arrays)), json.loads(json.dumps(config)))
    assert describe(again)[1] == config
    for key, value in describe(again)[0].items():
        np.testing.assert_array_equal(value, arrays[key])
        assert value.dtype == arrays[key].dtype
    assert again.state() == network.state()


def test_damaged_descriptions_are_refused() -> None:
    arrays, config = describe(quantise(cases.network("mixed"), "int8"))
    less = {k: v for k, v in arrays.items() if k != "l0.bias"}
    with refusal(CheckpointError, "no tensor 'l0.bias'", 3):
        from_description(less, config)
    for broken in ({**config, "populations": [{}]}, {}):
        with refusal(CheckpointError, "the description is damaged", 3):
            from_description(arrays, broken)
    with refusal(CheckpointError, "tensors missing from the description: more", 3):
        from_description({**arrays, "more": arrays["out.bias"]}, config)


def test_synapses_of_parts_of_a_unit_are_refused() -> None:
    values = {"weight": np.full((2, 2), 0.5, np.float32), "delay": np.zeros(2, np.int32)}
    with refusal(NetworkError, "weight is float32; int8, int16 or int32", 3):
        synapses_of("dense_delay", values, {"shift": 0})
