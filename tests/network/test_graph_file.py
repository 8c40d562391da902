"""Graphs in files: every array once, and damage is refused by the name of its population."""

from __future__ import annotations

import json
from typing import Any

import cases
import numpy as np
import pytest
from graph_cases import GRAPHS

from delrec_compile.errors import CheckpointError, NetworkError
from delrec_compile.network.graph_file import build_graph, describe_graph


def described(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays, config = describe_graph(cases.network(name))
    return dict(arrays), json.loads(json.dumps(config))


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_comes_back_as_it_was(name: str) -> None:
    arrays, config = described(name)
    back = build_graph(dict(arrays), config)
    again, same = describe_graph(back)
    assert json.loads(json.dumps(same)) == config
    assert arrays.keys() == again.keys()
    assert all(np.array_equal(again[key], value) for key, value in arrays.items())


def test_shared_weights_are_stored_once() -> None:
    network = cases.network("graph_shared")
    arrays, config = described("graph_shared")
    edges = [p for entry in config["populations"] for p in entry["projections"]]
    shared = {id(p.synapses) for _, p in network.projections()}
    assert len([p for p in edges if "same_as" not in p]) == len(shared) < len(edges)
    back = build_graph(arrays, config)
    assert len({id(p.synapses) for _, p in back.projections()}) == len(shared)
    assert back.parameters() == network.parameters()


def test_damage_is_told_with_its_place() -> None:
    arrays, config = described("graph_maps")
    first = config["populations"][0]
    edge = first["projections"][0]
    unknown = with_edge(config, {**edge, "kind": "dens_delay"})
    with pytest.raises(CheckpointError, match=r"a\.0: unknown synapses 'dens_delay'.*dense_delay"):
        build_graph(dict(arrays), unknown)
    lacking = {key: value for key, value in arrays.items() if not key.startswith("a.0.")}
    with pytest.raises(CheckpointError, match=r"a\.0\."):
        build_graph(lacking, config)
    populations = [{k: v for k, v in first.items() if k != "lif"}, *config["populations"][1:]]
    with pytest.raises(CheckpointError, match="one neuron model is required"):
        build_graph(dict(arrays), {**config, "populations": populations})
    wrong = next(key for key in arrays if key.startswith("a.0.") and key.endswith("delay"))
    with pytest.raises(NetworkError, match=r"a\.0: "):
        build_graph({**arrays, wrong: -arrays[wrong] - 1}, config)


def with_edge(config: dict[str, Any], edge: dict[str, Any]) -> dict[str, Any]:
    """The description with another first projection."""
    first, *others = config["populations"]
    changed = {**first, "projections": [edge, *first["projections"][1:]]}
    return {**config, "populations": [changed, *others]}
