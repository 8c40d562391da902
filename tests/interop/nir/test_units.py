"""Graphs whose constants count steps, and the step that constants tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import refusal

import delrec_compile
from delrec_compile.errors import UsageError
from delrec_compile.interop.nir import units

nir: Any = pytest.importorskip("nir")


def one(neurons: Any, weight: float = 0.0625) -> Any:
    return nir.NIRGraph.from_list(nir.Linear(np.array([[weight]])), neurons)


def integrator(r: float = 1.0) -> Any:
    return nir.IF(r=np.full(1, r), v_threshold=np.ones(1))


def leaky(tau: float, r: float = 1.0) -> Any:
    zero, ones = np.zeros(1), np.ones(1)
    return nir.LIF(tau=tau * ones, r=r * ones, v_leak=zero, v_threshold=ones)


def first_spike(**options: Any) -> int:
    made = delrec_compile.from_nir(one(integrator()), max_input=1, **options)
    x = np.ones((40, 1, 1), np.float32)
    from delrec_compile.runners.reference import ReferenceRunner

    spikes = ReferenceRunner(made.network).trace(x).spikes[0]
    return int(np.argmax(spikes.reshape(-1) > 0)) + 1


@pytest.mark.parametrize(
    "neurons", [integrator(), leaky(20.0), leaky(2.0, 2.0)], ids=["if", "lif", "gain"]
)
def test_a_graph_in_steps_is_not_read_in_seconds(neurons: Any) -> None:
    for dt_ms in (0.1, 1.0, 10.0):
        for wanted in ("counts? time in steps", "--time-unit steps", "--dt-ms 1000"):
            with refusal(UsageError, wanted, 2):
                delrec_compile.from_nir(one(neurons), dt_ms=dt_ms)
    with refusal(UsageError, "counts time in steps.* --time-unit steps", 2):
        delrec_compile.from_nir(one(neurons))
    assert delrec_compile.from_nir(one(neurons), dt_ms=1.0, time_unit="seconds").remarks == ()


def test_in_steps_it_fires_as_its_simulator_does() -> None:
    assert first_spike(dt_ms=1.0, time_unit="steps") == 17
    assert first_spike(dt_ms=1000.0) == 17
    made = delrec_compile.from_nir(one(leaky(20.0)), dt_ms=5.0, time_unit="steps", method="exact")
    assert made.network.dt_ms == 5.0
    assert made.network.layers[0].lif.beta == pytest.approx(np.exp(-1 / 20))
    with refusal(UsageError, "unknown time unit 'ms'; allowed: seconds, steps", 2):
        delrec_compile.from_nir(one(integrator()), dt_ms=1.0, time_unit="ms")


@pytest.mark.parametrize(
    "neurons", [integrator(1e3), leaky(0.02), leaky(1.0, 1e3)], ids=["if", "lif", "slow"]
)
def test_a_graph_in_seconds_is_read_so(neurons: Any) -> None:
    made = delrec_compile.from_nir(one(neurons), dt_ms=1.0)
    assert made.remarks == ()


def test_weights_large_enough_for_seconds_are_only_remarked_on() -> None:
    (remark,) = delrec_compile.from_nir(one(integrator(), 800.0), dt_ms=1.0).remarks
    assert "if it does, use --time-unit steps" in remark


def test_gains_of_one_tell_the_step() -> None:
    graph = one(leaky(0.001, 10.0))  # snnTorch: r = tau / dt, dt 0.1 ms
    assert units.step_of(graph.nodes) == pytest.approx(0.1)
    with refusal(UsageError, "--dt-ms 0.1, at which every gain is 1", 2):
        delrec_compile.from_nir(graph)
    (remark,) = delrec_compile.from_nir(graph, dt_ms=0.5).remarks
    assert "steps of 0.1 ms, taken at 0.5 ms" in remark
    assert delrec_compile.from_nir(graph, dt_ms=0.1).remarks == ()
    assert units.step_of(one(leaky(0.02)).nodes) is None
    two = nir.NIRGraph.from_list(
        *(nir.Linear(np.ones((1, 1))), leaky(0.001, 10.0)),
        *(nir.Linear(np.ones((1, 1))), leaky(0.001, 5.0)),
    )
    assert units.step_of(two.nodes) is None, "they tell steps of 0.1 and of 0.2 ms"
