"""The integer LIF neuron: every reset, a refractory period, and when its membrane needs no clamp."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fixtures.integer_neurons import check
from helpers import refusal

from delrec_compile.errors import NetworkError
from delrec_compile.ops.integer_leak import LIMIT, ONE
from delrec_compile.ops.integer_lif import IntegerLif, settles
from delrec_compile.ops.lif import ALL_RESETS, Lif

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("reset", ALL_RESETS)
def test_a_step_is_that_of_its_formula(reset: str) -> None:
    check(Lif(0.8, 1.0, -0.25, gain=0.5, reset=reset))


def test_neurons_may_have_constants_of_their_own() -> None:
    own = {name: RNG.uniform(0.3, 0.9, 13) for name in ("beta", "threshold", "gain")}
    made = check(Lif(v_reset=-RNG.random(13), fires="above", reset="soft", **own))
    assert set(made.tables()) == {"beta", "threshold", "drop"}


def test_a_refractory_period() -> None:
    made = check(Lif(0.8, 1.0, -0.2, gain=0.5, refractory=RNG.integers(0, 4, 13)))
    assert made.is_refractory
    assert "refractory" in made.states


def made(**changed: Any) -> IntegerLif:
    constants = {"beta": ONE // 2, "threshold": np.array([10, 20], np.int32), "v_reset": 0}
    return IntegerLif({**constants, **changed.pop("constants", {})}, {"reset": "hard", **changed})


@pytest.mark.parametrize(
    ("reset", "after"), [("hard", [0, 19]), ("soft", [3, 19]), ("soft_later", [11, 19])]
)
def test_resets(reset: str, after: list[int]) -> None:
    drop = {} if reset == "hard" else {"drop": np.array([8, 8], np.int32)}
    state = {"v": np.array([[0, 0]], np.int32)}
    fires, new, over = made(reset=reset, constants=drop).step(np.array([[11, 19]]), state)
    assert fires.tolist() == [[True, False]]
    assert new["v"].tolist() == [after]
    assert over.tolist() == [[1, -1]]


def test_a_membrane_that_does_not_leak_may_reach_its_end() -> None:
    assert made(constants={"beta": ONE}).clamps(1)
    assert not made().clamps(1)
    assert settles(LIMIT // 4, ONE // 2)
    assert not settles(LIMIT // 2, ONE // 2)
    _, new, _ = made().step(np.array([[-LIMIT, 0]]), {"v": np.array([[-LIMIT, 0]], np.int32)})
    assert new["v"][0, 0] == -LIMIT


def test_what_a_late_reset_takes_away_counts_to_the_end() -> None:
    drop = {"drop": np.full(2, LIMIT // 4, np.int32), "threshold": np.full(2, LIMIT // 4, np.int32)}
    late, soft = (made(reset=reset, constants=drop) for reset in ("soft_later", "soft"))
    assert late.clamps(LIMIT // 4)
    assert not soft.clamps(LIMIT // 4)


def test_what_cannot_be_is_refused() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"constants": {"beta": ONE + 1}}, "beta is 32769; allowed: 0 to 32768"),
        ({"constants": {"beta": 0.5}}, "beta is 0.5; an integer"),
        ({"constants": {"v_reset": 10}}, r"v_reset\[0\] = .* is not below threshold"),
        (
            {"constants": {"threshold": np.full(2, LIMIT, np.int32)}},
            r"threshold\[0\] is 1073741824",
        ),
        ({"constants": {"drop": 3}}, "drop is required for a soft reset and not allowed"),
        ({"reset": "soft"}, "drop is required for a soft reset"),
        ({"reset": "none"}, "unknown reset 'none'"),
    ]
    for changed, message in wrong:
        with refusal(NetworkError, message, 3):
            made(**changed)
    with refusal(NetworkError, "the lif neurons have no threshold", 3):
        replace(made(), constants={"beta": 1, "v_reset": 0})
