"""The network as arrays: what it holds, what it refuses, and its plain step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest
from helpers import refusal

from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.network.model import ConvDelay, DenseDelay, Layer, Lif, Network
from delrec_compile.ops.alif import Alif
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.registry import make_readout


def layer(n: int = 3, inputs: int = 2, **changed: Any) -> Layer:
    parts = {"weight": np.ones((n, inputs)), "bias": np.zeros(n), "neuron": Lif(0.5), **changed}
    return Layer(**parts)


def network(**changed: Any) -> Network:
    parts = {
        "layers": (layer(),),
        "readout": LeakyReadout(np.ones((2, 3)), np.zeros(2), 0.5),
        **changed,
    }
    return Network(**parts)


REFUSED: dict[str, tuple[Any, str]] = {
    "even kernel": (lambda: ConvDelay(np.ones(4), [0]), "kernel has 4 taps; an odd number"),
    "kernel of three axes": (
        lambda: ConvDelay(np.ones((1, 1, 3)), [0]),
        r"shape \[1, 1, 3\]; \[K\] or \[heads, K\]",
    ),
    "heads apart": (
        lambda: ConvDelay(np.ones((2, 3)), [0, 0]),
        "there are 2 kernels and 1 rows of delays",
    ),
    "dense heads": (lambda: DenseDelay(np.eye(2), np.zeros((2, 2))), r"\[2\], is required"),
    "no taps": (lambda: ConvDelay([], [0]), r"kernel has shape \[0\]"),
    "NaN kernel": (lambda: ConvDelay([1, np.nan, 1], [0]), r"kernel\[1\] is nan; .* finite"),
    "negative delay": (lambda: ConvDelay([1], [0, -1]), r"delay\[1\] is -1; .* negative"),
    "NaN delay": (lambda: ConvDelay([1], [np.nan]), r"delay\[0\] is nan; .* finite"),
    "infinite delay": (lambda: ConvDelay([1], [np.inf]), r"delay\[0\] is inf; .* finite"),
    "long delay": (lambda: ConvDelay([1], [4095]), "the longest delay allowed is 4094 steps"),
    "fractional delay": (
        lambda: DenseDelay([[1]], [1.5]),
        r"delay\[0\] is 1.5; .* an integer number",
    ),
    "no delays": (lambda: ConvDelay([1], []), r"delay has shape \[0\]; \[N\] or"),
    "oblong recurrence": (lambda: DenseDelay(np.ones((2, 3)), [0, 0]), r"\[3\], is required"),
    "NaN recurrence": (lambda: DenseDelay([[np.inf]], [0]), r"weight\[0, 0\] is inf"),
    "too large for float32": (
        lambda: layer(weight=np.full((3, 2), 1e39)),
        r"weight\[0, 0\] is inf",
    ),
    "NaN weight": (lambda: layer(weight=[[0, np.nan]], bias=[0]), r"weight\[0, 1\] is nan"),
    "flat weight": (lambda: layer(weight=np.ones(3)), r"weight has shape \[3\]; \[out, in\]"),
    "empty weight": (lambda: layer(weight=np.ones((0, 3))), r"weight has shape \[0, 3\]"),
    "short bias": (
        lambda: layer(bias=np.zeros(2)),
        r"weight has shape \[3, 2\] and bias \[2\]; .* required",
    ),
    "few delays": (
        lambda: layer(recurrence=ConvDelay([1], [0, 0])),
        "the recurrence's kernel and delay are for 2 neurons, the layer has 3",
    ),
    "a recurrence of another population": (
        lambda: layer(recurrence=DenseDelay(np.ones((3, 2)), [0, 0])),
        "the recurrence takes 2 values, the layer has 3 neurons",
    ),
    "no layer": (lambda: network(layers=()), "no layer"),
    "layers apart": (
        lambda: network(layers=(layer(4), layer(3))),
        "layer 0 sends 4 values, the next one takes 2",
    ),
    "readout apart": (lambda: network(layers=(layer(5),)), "layer 0 sends 5 .* takes 3"),
    "no time": (lambda: network(dt_ms=0), "dt_ms is 0; a positive number"),
    "NaN time": (lambda: network(dt_ms=float("nan")), "dt_ms is nan"),
    "no input": (lambda: network(max_input=0), "max_input is 0; allowed: 1 to 255"),
    "many counts": (lambda: network(max_input=256), "max_input is 256"),
    "notes": (lambda: network(notes={"at": 1j}), "notes: 1j is a complex; allowed: text, numbers"),
    "labels": (lambda: network(labels=("a",)), "1 labels for 2 classes"),
    "beta": (lambda: Lif(1.5), "beta is 1.5; allowed: 0 <= beta <= 1"),
    "NaN beta": (lambda: Lif(float("nan")), "beta is nan; a finite number"),
    "infinite threshold": (lambda: Lif(0.5, float("inf")), "threshold is inf"),
    "reset above": (lambda: Lif(0.5, 1.0, 1.0), "v_reset 1.0 is not below the threshold 1.0"),
    "one beta above 1": (lambda: Lif([0.5, 1.5]), "beta is 1.5; allowed: 0 <= beta <= 1"),
    "one reset above": (
        lambda: Lif(0.5, [1, 2], [0, 2.5]),
        "v_reset 2.5 is not below the threshold 2.0",
    ),
    "no gain": (lambda: Lif(0.5, gain=0), "gain is 0.0; a positive number"),
    "NaN among betas": (lambda: Lif([0.5, float("nan")]), "lif: beta.1. is nan"),
    "fires": (lambda: Lif(0.5, fires="below"), "unknown fires 'below'; allowed: at, above"),
    "reset": (lambda: Lif(0.5, reset="none"), "unknown reset 'none'; allowed: hard, soft, soft_l"),
    "soft below 0": (
        lambda: Lif(0.5, -0.5, -1, reset="soft"),
        "the reset 'soft' needs thresholds above 0",
    ),
    "two sizes": (
        lambda: Lif([0.5], [1, 2]),
        "constants of several sizes, beta for 1, threshold for 2",
    ),
    "sizes apart": (
        lambda: layer(3, neuron=Lif([0.5, 0.5])),
        "beta for 2 neurons, the layer has 3",
    ),
    "readout beta": (lambda: LeakyReadout([[1]], [0], -0.1), "readout: beta is -0.1"),
    "NaN readout beta": (lambda: LeakyReadout([[1]], [0], float("nan")), "readout: beta is nan"),
    "decision": (
        lambda: LeakyReadout([[1]], [0], 0.5, "median"),
        "unknown decision 'median'; allowed: softmax_sum, mean, sum, last, max",
    ),
    "readout": (
        lambda: make_readout("vote", [[1]], [0], 0.5),
        "unknown kind 'vote'; allowed: leaky, linear, count",
    ),
    "leaky count": (
        lambda: make_readout("count", [[1]], [0], 0.5),
        "beta is 0.5; a count readout has 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(NetworkError, match=message) as e:
        make()
    assert "\n" not in str(e.value)
    assert e.value.exit_code == 3


def test_the_longest_delay_is_allowed() -> None:
    assert ConvDelay([1], [4094]).depth == 4095


def test_parameters_are_counted() -> None:
    net = cases.network("mixed")  # dense 16, conv3 32, 14 inputs, 5 outputs
    assert net.recurrent_parameters() == (16 * 16 + 16) + (3 + 32)
    assert net.dense_recurrent_parameters() == (16 * 16 + 16) + (32 * 32 + 32)
    feed = 16 * 14 + 16 + 32 * 16 + 32 + 5 * 32 + 5
    assert net.parameters() == feed + net.recurrent_parameters()
    assert (net.inputs, net.outputs, net.max_delay) == (14, 5, 12)
    own = Lif(np.full(3, 0.5), gain=np.full(3, 2.0))
    assert network(layers=(layer(neuron=own),)).parameters() == network().parameters() + 6
    assert cases.network("feed_forward").max_delay == 0


def test_the_state_is_listed_in_order() -> None:
    state = cases.network("three_layers").state()
    assert [(s.name, s.shape) for s in state] == [
        ("l0_v", (12,)),
        ("l0_hist", (13, 12)),
        ("l1_v", (9,)),
        ("l2_v", (21,)),
        ("l2_hist", (13, 21)),
        ("out_v", (5,)),
    ]


def test_a_step_changes_neither_its_input_nor_its_state() -> None:
    net = cases.network("mixed")
    x = cases.counts(cases.CASES["mixed"], batch=2)
    _, state = net.step(x[0], net.reset(2))
    before = {k: v.copy() for k, v in state.items()}
    kept = x[1].copy()
    net.step(x[1], state)
    np.testing.assert_array_equal(x[1], kept)
    for name, value in state.items():
        np.testing.assert_array_equal(value, before[name])
        assert value.dtype == np.float32


def test_batches_are_independent_streams() -> None:
    net = cases.network("mixed")
    x = cases.counts(cases.CASES["mixed"], batch=3)
    together, alone = net.reset(3), net.reset(1)
    for row in x:
        y, together = net.step(row, together)
        one, alone = net.step(row[1:2], alone)
        np.testing.assert_array_equal(y[1:2], one)


def test_a_spike_arrives_after_its_delay_and_not_before() -> None:
    """One neuron fires once at step 0; d steps after the next one the other neuron feels it."""
    for d in (0, 1, 7):
        weight = DenseDelay(np.array([[0, 0], [2.0, 0]]), np.array([d, 0]))
        first = Layer(np.array([[1.0], [0.0]]), np.zeros(2), Lif(0.0), weight)
        net = Network((first,), LeakyReadout(np.eye(2), np.zeros(2), 0.0))
        state, fired = net.reset(), []
        for t in range(12):
            y, state = net.step(np.full((1, 1), float(t == 0), np.float32), state)
            fired.append(y[0].tolist())
        assert [t for t, y in enumerate(fired) if y[0]] == [0]
        assert [t for t, y in enumerate(fired) if y[1]] == [1 + d]


def test_a_nan_membrane_heals() -> None:
    net = cases.network("conv3")
    state = net.reset()
    state["l0_v"][0, 3] = np.nan
    _, state = net.step(np.zeros((1, net.inputs), np.float32), state)
    assert np.isfinite(state["l0_v"]).all()


def test_networks_are_frozen() -> None:
    net = cases.network("conv3")
    with pytest.raises(AttributeError):
        net.dt_ms = 1.0  # type: ignore[misc]
    assert replace(net, dt_ms=1.0).layers is net.layers


def test_code_for_plain_neurons_refuses_others_by_name() -> None:
    layer = cases.network("dense").layers[0]
    assert layer.lif is layer.neuron
    assert layer.states == layer.neuron.states
    with refusal(
        UnsupportedError, "the neuron model 'alif' is not supported here; allowed: lif", 4
    ):
        assert replace(layer, neuron=Alif(0.5, 0.5, 1.0)).lif
    with refusal(UnsupportedError, "a neuron with a refractory period is not supported here", 4):
        assert replace(layer, neuron=Lif(0.5, refractory=2)).lif


def test_the_current_of_a_layer_is_that_of_its_weights_on_what_comes_in() -> None:
    r = np.random.default_rng(0)
    for name in ("dense", "frontend"):
        layer = cases.network(name).layers[0]
        x = r.integers(0, 3, (2, layer.inputs)).astype(np.float32)
        start = r.integers(0, 3, (2, layer.size)).astype(np.float32)
        want = layer.map.reference(x[:, None]) + layer.biases
        np.testing.assert_allclose(layer.feed(x), want, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(layer.feed(x, start), want + start, rtol=1e-5, atol=1e-5)
