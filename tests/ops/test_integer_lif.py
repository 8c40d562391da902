"""The integer LIF neuron in TIR against the integer reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.tir import run

from delrec_compile.network.integer.layers import LIMIT, ONE, leak
from delrec_compile.ops.integer_lif import IntegerLifTile, emit_leak
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)
N = 13
SCHEDULES = {"scan": Schedule(4, 2, "scan"), "branch": Schedule(1, 2, "branch")}


@pytest.mark.parametrize("beta", [0, 1, 20001, ONE])
def test_the_leak_is_that_of_the_reference(beta: int) -> None:
    v = RNG.integers(-LIMIT, LIMIT, 16).astype(np.int32)

    def body(e: Any, old: Any, new: Any) -> None:
        for at, lanes in e.blocks(16):
            e.store(new, at, lanes, emit_leak(e, beta, e.load(old, at, lanes), lanes))

    _, have = run(body, v, np.zeros_like(v), schedule=SCHEDULES["scan"])
    np.testing.assert_array_equal(have, leak(v.astype(np.int64), beta))


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("events", SCHEDULES)
def test_a_step_is_that_of_the_reference(events: str, reset: str) -> None:
    v, current = (RNG.integers(-900, 1500, N).astype(np.int32) for _ in range(2))
    limit, drop = np.full(N, 1000, np.int32), np.full(N, 990, np.int32)

    def body(e: Any, v: Any, current: Any, limit: Any, drop: Any, fired: Any) -> None:
        tile = IntegerLifTile(e, 0, v, 16384, None, limit, -5, True, reset, drop)
        spikes = e.events(N)
        e.clear(spikes)
        for at, lanes in e.blocks(N):
            tile.update(e.load(current, at, lanes), spikes, at, lanes)
        with e.each(spikes) as j:
            e.store(fired, j, 1, e.T.int32(1))

    fired = np.zeros(N, np.int32)
    new, *_, fired = run(body, v, current, limit, drop, fired, schedule=SCHEDULES[events])
    m = leak(v.astype(np.int64), 16384) + current
    np.testing.assert_array_equal(fired, m >= limit)
    after = m - drop if reset == "soft" else np.full(N, -5)
    np.testing.assert_array_equal(new, np.where(m >= limit, after, m))
    assert 0 < fired.sum() < N
