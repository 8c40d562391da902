"""Files of integer networks of before: the same network, made of populations."""

from __future__ import annotations

from typing import Any

import cases
import numpy as np
import pytest

from delrec_compile.network.integer.checkpoint import describe, from_description
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.quantise import quantise


def before(network: IntegerNetwork) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and description of a chain, as files once held them."""
    arrays: dict[str, Any] = {}
    layers = []
    for i, p in enumerate(network.spiking):
        facts = {"reset": p.model.choices["reset"], "fraction": p.fraction, "recurrence": None}
        own = {"weight": p.projections[0].synapses.weights, "bias": p.bias, "scale": p.scale}
        for name, value in p.model.constants.items():
            if name == "beta" and isinstance(value, int):
                facts[name] = value
            else:
                own[name] = np.broadcast_to(np.int32(value), p.size).copy()
        for back in p.projections[1:]:
            facts["recurrence"] = {"kind": back.synapses.kind}
            if back.synapses.kind == "conv_delay":
                facts["recurrence"]["shift"] = back.synapses.shift
            own |= {f"re_{name}": value for name, value in back.synapses.arrays().items()}
        arrays |= {f"layers.{i}.{name}": value for name, value in own.items()}
        layers.append(facts)
    out = network.readout
    arrays |= {"readout.weight": out.projections[0].synapses.weights}
    arrays |= {"readout.bias": out.bias, "readout.scale": out.scale}
    _, config = describe(network)
    del config["populations"]
    facts = {**vars(out.readout), "fraction": out.fraction}
    return arrays, {**config, "layers": layers, "readout": facts}


@pytest.mark.parametrize("name", ["mixed", "heads", "own_soft", "soft_later", "count_readout"])
def test_a_file_of_before_is_the_same_network(name: str) -> None:
    network = quantise(cases.network(name), "int8")
    again = from_description(*before(network))
    x = cases.counts(cases.CASES[name])[:20]
    states = network.reset(1), again.reset(1)
    for row in x:
        (y, first), (z, second) = (
            net.step(row, state) for net, state in zip((network, again), states, strict=True)
        )
        np.testing.assert_array_equal(y, z)
        assert first.keys() == second.keys()
        for key, value in first.items():
            np.testing.assert_array_equal(value, second[key])
        states = first, second
