"""The neuron of Loihi: lava's published equations in integers, computed here in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.lava import fixed_point
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops.loihi import Loihi
from delrec_compile.ops.loihi_onnx import ABOVE, TOP, WRAP

RNG = np.random.default_rng(5)
N, STEPS = 24, 300


def run(neuron: Loihi, currents: NDArray[Any]) -> tuple[F32, F32]:
    """Spikes and membranes (T, N) of the reference; the torch form has the same bits."""
    state = {name: np.zeros((1, currents.shape[1]), np.float32) for name in neuron.states}
    out, membranes = [], []
    for row in currents.astype(np.float32)[:, None]:
        tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        theirs, new, _ = neuron.torch_form(torch.from_numpy(row), tensors)
        spikes, state = neuron.reference(row, state)
        np.testing.assert_array_equal(theirs.numpy(), spikes)
        for name, value in new.items():
            np.testing.assert_array_equal(value.numpy(), state[name])
        out.append(spikes[0])
        membranes.append(state["v"][0])
    return np.stack(out), np.stack(membranes)


@pytest.mark.parametrize(
    ("du", "dv", "threshold", "bias", "size"),
    [
        (1024, 128, 80, 0, 60),
        (4096, 0, 100, 0, 60),
        (0, 4096, 900, 0, 60),
        (1, 1, 9000, -3, 250),
        (300, 77, 120, 4, 254),
        (3, 5, 100000, 0, 9000),  # wraps around and is clipped
    ],
)
def test_it_is_lava_in_fixed_point(du: int, dv: int, threshold: int, bias: int, size: int) -> None:
    currents = RNG.integers(-size, size + size // 3, (STEPS, N))
    want, membranes = fixed_point(currents, du, dv, threshold, bias)
    spikes, own = run(Loihi(du, dv, threshold, bias), currents)
    np.testing.assert_array_equal(spikes, want)
    np.testing.assert_array_equal(own * 64, membranes)
    assert 0.005 < want.mean() < 0.9


def test_each_neuron_may_have_its_own_constants() -> None:
    du, dv, threshold = (RNG.integers(1, most, N) for most in (4096, 600, 200))
    neuron = Loihi(du, dv, threshold + 20, threshold - 20)
    currents = RNG.integers(-60, 90, (STEPS, N))
    spikes, _ = run(neuron, currents)
    for n in range(N):
        own = (int(du[n]), int(dv[n]), int(threshold[n]) + 20, int(threshold[n]) - 20)
        want, _ = fixed_point(currents[:, n : n + 1], *own)
        np.testing.assert_array_equal(spikes[:, n : n + 1], want)
    again = Loihi(**neuron.arrays())
    assert {k: v.tolist() for k, v in again.arrays().items()} == {
        k: v.tolist() for k, v in neuron.arrays().items()
    }


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf, 2e30, 2.0**18])
@pytest.mark.parametrize("where", ["current", "i", "v"])
def test_what_is_broken_heals(where: str, fault: float) -> None:
    neuron = Loihi(100, 100, 80)
    parts = {name: np.zeros((1, N), np.float32) for name in ("current", "i", "v")}
    parts[where][:] = fault
    with np.errstate(invalid="ignore"):
        _, state = neuron.reference(parts["current"], {"i": parts["i"], "v": parts["v"]})
    assert np.abs(state["i"]).max() <= WRAP
    assert np.abs(state["v"]).max() <= TOP


def test_states_finer_than_a_unit_are_cut() -> None:
    state = {"i": np.float32([[1.6 / 64, -1.6 / 64]]), "v": np.zeros((1, 2), np.float32)}
    _, after = Loihi(0, 0, 1000).reference(np.zeros((1, 2), np.float32), state)
    np.testing.assert_array_equal(after["i"] * 64, [[1, -1]])
    assert np.float32(WRAP) < ABOVE


def test_attributes_and_a_summary() -> None:
    neuron = Loihi(1024, 128, 80)
    assert neuron.attributes() == {
        "current_decay": 1024.0, "voltage_decay": 128.0, "threshold": 80.0
    }  # fmt: skip
    assert Loihi(1, 2, 3, 4).attributes()["v_bias"] == 4.0
    assert neuron.summary()["neuron"] == "loihi"
    assert neuron.rheobase == 80.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"current_decay": 0.5}, "current_decay is 0.5; a whole number from 0 to 4096"),
        ({"voltage_decay": 4097}, "voltage_decay is 4097.0; a whole number from 0 to 4096"),
        ({"threshold": 0}, "threshold is 0.0; a positive number"),
        (
            {"current_decay": [1, 2], "threshold": [1]},
            "sizes, current_decay for 2, threshold for 1",
        ),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Loihi(**({"current_decay": 1, "voltage_decay": 1} | fields))
