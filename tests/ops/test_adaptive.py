"""What adaptive neurons share: constants and their refusals, files, the refractory period, healing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from delrec_compile.errors import NetworkError
from delrec_compile.ops.adaptive import Adaptive
from delrec_compile.ops.adlif import Adlif
from delrec_compile.ops.alif import Alif

BOTH = (Alif(0.5, 0.75, 0.25), Adlif(0.5, 0.75, 0.25, 0.5))
REFRACTORY = (Alif(0.5, 0.75, 0.25, refractory=2), Adlif(0.5, 0.75, 0.25, 0.5, refractory=2))


def zeros(neuron: Adaptive, n: int = 1) -> dict[str, Any]:
    return {name: np.zeros((1, n), np.float32) for name in neuron.states}


def run(neuron: Adaptive, currents: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Spikes (T, N) of currents (T, N), and the last state."""
    state, spikes = zeros(neuron, currents.shape[1]), []
    for current in currents.astype(np.float32):
        s, state = neuron.reference(current[None], state)
        spikes.append(s[0])
    return np.stack(spikes), state


@pytest.mark.parametrize("kind", [Alif, Adlif])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"beta": 1.5}, r"beta is 1\.5; 0 <= beta <= 1 is required"),
        ({"rho": [0.5, -1]}, r"rho\[1\] is -1\.0; 0 <= rho <= 1 is required"),
        ({"gain": 0}, r"gain is 0\.0; a positive number is required"),
        ({"threshold": 0, "v_reset": -1}, r"threshold is 0\.0; a positive number is required"),
        ({"threshold": [2, 1], "v_reset": 1}, r"v_reset is 1\.0; a value below the threshold"),
        ({"refractory": 1.5}, r"refractory is 1\.5; a whole number of steps, 0 to 4094 is"),
        ({"refractory": [0, -1]}, r"refractory\[1\] is -1\.0; a whole number"),
        ({"beta": np.nan}, "beta is nan; a finite number is required"),
        ({"fires": "below"}, "unknown fires 'below'; allowed: at, above"),
        ({"reset": "soft_later"}, "unknown reset 'soft_later'; allowed: hard"),
        (
            {"beta": [0.5, 0.5], "rho": [1, 1, 1]},
            "constants of several sizes, beta for 2, rho for 3",
        ),
    ],
)
def test_what_is_no_neuron_is_refused(kind: Any, fields: dict[str, Any], message: str) -> None:
    own = {"beta": 0.5, "rho": 0.5} | ({"jump": 1} if kind is Alif else {"a": 0, "b": 1})
    with pytest.raises(NetworkError, match=f"{kind.kind}: {message}"):
        kind(**own | fields)


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("name", ["beta", "rho"])
def test_the_ends_of_a_share_are_allowed(name: str, share: float) -> None:
    assert (
        Adlif(**{"beta": 0.5, "rho": 0.5, "a": 0, "b": 1, name: share}).attributes()[name] == share
    )


@pytest.mark.parametrize("neuron", [*BOTH, *REFRACTORY, Alif([0.5, 1], 0.5, [1, 2], reset="base")])
def test_attributes_and_arrays_rebuild_it(neuron: Adaptive) -> None:
    again = type(neuron)(**neuron.attributes(), **neuron.arrays())
    assert again.attributes() == neuron.attributes()
    assert again.arrays().keys() == neuron.arrays().keys()
    assert again.states == neuron.states
    assert "fires" not in neuron.attributes()  # a default


def test_the_refractory_counter_is_state_only_where_it_is_used() -> None:
    assert [list(n.states) for n in BOTH] == [["v", "a"], ["v", "w"]]
    assert all(list(n.states)[2:] == ["refractory"] for n in REFRACTORY)
    assert "refractory" in Alif(0.5, 0.5, 1, refractory=[0, 2]).states
    assert "refractory" not in Alif(0.5, 0.5, 1, refractory=[0, 0]).states
    assert REFRACTORY[0].summary() == {
        "neuron": "alif",
        "beta": 0.5,
        "rho": 0.75,
        "threshold": 1.0,
        "refractory": 2.0,
    }


@pytest.mark.parametrize("kind", [Alif, Adlif])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_neuron_that_fired_waits_at_its_reset(kind: Any, steps: int) -> None:
    own = (0.5, 0.5, 0.0) if kind is Alif else (0.5, 0.5, 0.0, 0.0)
    neuron = kind(*own, v_reset=-0.25, refractory=steps)
    spikes, state = run(neuron, np.full((24, 1), 4.0))
    assert spikes[:, 0].tolist() == ([1.0] + [0.0] * steps) * (24 // (steps + 1))
    if steps:
        assert state["v"] == np.float32(-0.25)


def test_each_neuron_may_have_a_period_of_its_own() -> None:
    neuron = Alif(0.5, 0.5, 0.0, refractory=[0, 1, 2])
    spikes, _ = run(neuron, np.full((6, 3), 4.0))
    assert spikes.sum(axis=0).tolist() == [6, 3, 2]


@pytest.mark.parametrize("fault", [np.inf, -np.inf, np.nan, 1e31, -1e31])
@pytest.mark.parametrize("neuron", [*BOTH, *REFRACTORY])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_every_damaged_variable_heals(neuron: Adaptive, fault: float) -> None:
    current = np.full((1, 1), 0.5, np.float32)
    for damaged in (*({name} for name in neuron.states), set(neuron.states)):
        state = {k: np.full_like(v, fault) if k in damaged else v for k, v in zeros(neuron).items()}
        tensors = {k: torch.from_numpy(v) for k, v in state.items()}
        spikes, after = neuron.reference(current, state)
        assert all(np.abs(v) <= 1e30 for v in after.values())
        have, new, _ = neuron.torch_form(torch.from_numpy(current), tensors)
        np.testing.assert_array_equal(have.numpy(), spikes)
        for name, value in after.items():
            np.testing.assert_array_equal(new[name].numpy(), value)


def test_the_rheobase_fires_a_neuron_at_rest() -> None:
    for kind in (Alif, Adlif):
        own = (0.5, 0.5, 1.0) if kind is Alif else (0.5, 0.5, 1.0, 1.0)
        neuron = kind(*own, threshold=[1.0, 3.0], gain=[0.5, 2.0])
        assert neuron.rheobase == 1.5
        assert run(neuron, np.full((1, 2), 1.5))[0].tolist() == [[0, 1]]


def test_the_membrane_of_the_torch_form_is_told_against_the_threshold_at_rest() -> None:
    neuron = Alif(0.5, 1.0, 0.5)
    state = {"v": torch.zeros(1, 1), "a": torch.full((1, 1), 0.5)}
    _, _, m = neuron.torch_form(torch.full((1, 1), 1.25), state)
    assert m.item() == 0.75  # a quarter below the threshold, which is 1.5 now
