"""Every kind is registered once, with a formula, an ONNX function and a node of its own."""

from __future__ import annotations

import importlib
import pkgutil
import re

import onnx.parser
import pytest

from delrec_compile import ops
from delrec_compile.errors import NetworkError
from delrec_compile.ops import maps_onnx
from delrec_compile.ops.neuron import Neuron
from delrec_compile.ops.readout import Readout
from delrec_compile.ops.registry import (
    FUNCTIONS,
    NEURONS,
    READOUTS,
    SYNAPSES,
    make_readout,
)
from delrec_compile.ops.synapses import Synapses

KINDS = [*NEURONS.values(), *SYNAPSES.values(), *READOUTS.values()]


def test_every_kind_in_ops_is_registered() -> None:
    for module in pkgutil.iter_modules(ops.__path__):
        assert importlib.import_module(f"{ops.__name__}.{module.name}").__doc__
    for base, registry in ((Neuron, NEURONS), (Synapses, SYNAPSES), (Readout, READOUTS)):
        kinds = [base]
        for kind in kinds:
            kinds += kind.__subclasses__()
        ours = {k for k in kinds if k.__module__.startswith(f"{ops.__name__}.")}
        assert {k for k in ours if not k.__abstractmethods__} == set(registry.values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.kind))
def test_a_kind_opens_with_its_formula(kind: type) -> None:
    doc = importlib.import_module(kind.__module__).__doc__ or ""
    assert re.search(r"^ *\S+.* = ", doc, re.MULTILINE), f"{kind.__module__} opens with no formula"


def test_the_functions_are_those_of_the_kinds() -> None:
    functions = [onnx.parser.parse_function(text) for text in FUNCTIONS]
    names = {f.name for f in functions}
    assert len(names) == len(functions)
    assert {f.domain for f in functions} == {"ai.delrec"}
    nodes = [node for n in NEURONS.values() for node in {**n.nodes, **n.helper_nodes}]
    nodes += [r.node for r in SYNAPSES.values()]
    nodes += [node for r in READOUTS.values() for node in r.nodes]
    assert len(set(nodes)) == len(nodes)
    lines = {"DelayRead", "DelayPush", "DelayLine", "DelayNow", "DelayNewest"}
    assert names == {*nodes, *lines, *maps_onnx.KINDS, "RealInput", "Linear"}


def test_nodes_give_back_as_many_values_as_their_functions() -> None:
    functions = {f.name: f for f in map(onnx.parser.parse_function, FUNCTIONS)}
    of = [n.nodes | n.helper_nodes for n in NEURONS.values()] + [r.nodes for r in READOUTS.values()]
    for name, shapes in ((name, shapes) for nodes in of for name, shapes in nodes.items()):
        assert len(functions[name].output) == len(shapes)
        assert max(shapes) < len(functions[name].input)


def test_a_readout_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(
        NetworkError, match="unknown kind 'vote'; allowed: leaky, linear, count, synaptic"
    ):
        make_readout("vote", [[1]], [0])
