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
from delrec_compile.errors import CheckpointError
from delrec_compile.network.integer.checkpoint import describe, from_description
from delrec_compile.network.integer.quantise import quantise


@pytest.mark.parametrize("numeric", INTEGER_MODES)
@pytest.mark.parametrize(
    "name", ["mixed", "feed_forward", "both_layers", "all_kinds", "recurrent_maps"]
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
    less = {k: v for k, v in arrays.items() if k != "layers.0.bias"}
    for broken in ((less, config), (arrays, {**config, "layers": [{}]}), (arrays, {})):
        with refusal(CheckpointError, "the description is damaged", 3):
            from_description(*broken)
    with refusal(CheckpointError, "tensors missing from the description: more", 3):
        from_description({**arrays, "more": arrays["readout.bias"]}, config)


def test_files_of_before_hold_dense_synapses_in_the_units_of_the_weight() -> None:
    network = quantise(cases.network("dense"), "int8")
    arrays, config = describe(network)
    assert config["layers"][1]["recurrence"].pop("shift") == network.layers[1].fraction
    again = from_description(arrays, config).layers[1].recurrence
    assert again is not None
    assert again.shift == network.layers[1].fraction
