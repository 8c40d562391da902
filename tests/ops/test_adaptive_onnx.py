"""The ONNX functions of adaptive neurons compute their references, in every form."""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx
import onnx.parser
import pytest
from fixtures.neuron import check_nodes

from delrec_compile.ops import adlif, alif
from delrec_compile.ops.adaptive import Adaptive
from delrec_compile.ops.adaptive_onnx import Form
from delrec_compile.ops.adlif import Adlif
from delrec_compile.ops.alif import Alif
from delrec_compile.ops.refractory import COUNT, HELD, WAITS
from delrec_compile.ops.threshold_onnx import FIRES

RNG = np.random.default_rng(11)
STEPS = (0, 2)
NEURONS: list[Adaptive] = [
    Alif(0.25, 0.75, 0.5, 1.25, -0.5, 0.75, refractory=steps, fires=fires, reset=reset)
    for fires, reset, steps in product(FIRES, alif.RESETS, STEPS)
]
NEURONS += [
    Adlif(0.25, 0.75, -0.5, 0.5, 1.25, -0.5, 0.75, steps, fires, reset, order)
    for fires, reset, order, steps in product(FIRES, adlif.RESETS, adlif.ORDERS, STEPS)
]


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda neuron: neuron.form)
def test_the_nodes_compute_the_reference_and_tell_the_neuron(neuron: Adaptive) -> None:
    check_nodes(neuron, RNG)


def test_each_model_has_a_function_with_and_without_the_period() -> None:
    for kind in (Alif, Adlif):
        names = [onnx.parser.parse_function(text).name for text in kind.onnx]
        assert names == list(kind.nodes)
        assert {name.removesuffix(WAITS) for name in names} < set(names)


def test_a_form_has_a_text_without_and_with_the_period() -> None:
    form = Form("Mine", ("beta",), "a", "{rested}\n    {m} = Mul (v, beta)", "level", "at")
    plain, waits = form.texts()
    assert "\nMine (current, v, a, beta) => (spikes, v_next, a_next)\n" in plain
    assert "    m = Mul (v, beta)\n" in plain
    names = "(current, v, a, refractory, beta, steps) => (spikes, v_next, a_next, refractory_next)"
    assert f"\nMine{WAITS} {names}\n" in waits
    assert f"    m_free = Mul (v, beta){HELD}\n" in waits
    assert COUNT in waits
    assert not any(text in plain for text in (HELD, COUNT))
