"""A neuron model with a second state variable goes through every form by its class alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.neuron import Synaptic, registered

from delrec_compile.errors import UnsupportedError
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import exact, snap
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import export
from delrec_compile.network.onnx_step.schema import read_model
from delrec_compile.network.summary import inspect
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.session import Session


def network() -> Network:
    """The case `mixed` with neurons of two state variables."""
    layers = [replace(y, neuron=Synaptic(0.5, 0.75)) for y in cases.network("mixed").layers]
    return snap(replace(cases.network("mixed"), layers=tuple(layers), name="synaptic"))


def test_its_state_is_part_of_the_step() -> None:
    names = [s.name for s in network().state()]
    assert names == ["l0_i", "l0_v", "l0_hist", "l1_i", "l1_v", "l1_hist", "out_v"]
    assert inspect(network())["onnx"]["inputs"][1:3] == ["past_l0_i", "past_l0_v"]


def test_every_form_gives_the_bits_of_the_reference(
    tmp_path: Path, compiled: Callable[..., Session]
) -> None:
    with registered():
        net = network()
        again = checkpoint.load(checkpoint.save(net, tmp_path / "net.safetensors"))
        assert exact(net)
        assert checkpoint.digest(again) == checkpoint.digest(net)
        x = cases.counts(cases.CASES["mixed"], batch=1)
        want = ReferenceRunner(again).trace(x)
        assert 0.01 < np.mean([s.mean() for s in want.spikes]) < 0.9
        runners = (OnnxRunner(read_model(export(net))), compiled(net))
        for have in (runner.trace(x) for runner in runners):  # export compares with torch
            np.testing.assert_array_equal(have.y, want.y)
        for mine, other in zip(want.spikes, runners[1].trace(x).spikes, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_a_model_without_an_integer_form_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="population 'l0' has a 'synaptic' neuron model"):
        quantise(network(), "int8")


def test_code_that_knows_lif_only_refuses_other_models() -> None:
    with pytest.raises(UnsupportedError, match="'synaptic' is not supported here; allowed: lif"):
        _ = network().layers[0].lif
