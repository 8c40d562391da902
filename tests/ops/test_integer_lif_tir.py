"""The TIR of integer LIF neurons, in the loops of cores whose compilers make vectors of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.c_text import of_c
from fixtures.tir import run

from delrec_compile.ops.integer_leak import LIMIT, ONE
from delrec_compile.ops.integer_lif import IntegerLif
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(16)
SCHEDULE = Schedule(1, 4, "branch", bytes="memory", neurons=9)
N = 31  # three pairs of four in a loop, a four, and three by themselves


def test_neurons_in_loops_stop_at_the_lower_end_too() -> None:
    v, current = np.full(5, -LIMIT, np.int32), np.full(5, -LIMIT + 1, np.int32)
    one = IntegerLif(
        {"beta": ONE, "threshold": np.full(5, 10, np.int32), "v_reset": 0}, {"reset": "hard"}
    )

    def body(e: Any, v: Any, current: Any, threshold: Any) -> None:
        named = {"v": v, "threshold": threshold}
        tile = one.tile(e, named.__getitem__, 0, 5, LIMIT - 1, biased=False)
        spikes = e.events(5)
        e.clear(spikes)
        tile.update_in_loops(5, current, spikes)
        with e.each(spikes) as j:
            e.store(current, j, 1, e.T.int32(1))

    after, *_ = run(body, v, current, one.tables()["threshold"], schedule=SCHEDULE)
    assert (after == -LIMIT).all()


@pytest.mark.parametrize("beta", [0, 1560, 31000, ONE, RNG.integers(0, ONE, N).astype(np.int32)])
@pytest.mark.parametrize("reset", ["hard", "soft", "soft_later"])
@pytest.mark.parametrize("bound", [1, LIMIT - 1])  # of what a step adds: the latter needs clamps
def test_c_text_updates_four_neurons_at_a_time(
    bound: int, reset: str, beta: Any, tmp_path: Path
) -> None:
    level = RNG.integers(100, 900, N).astype(np.int32)
    own = {"beta": beta, "threshold": level, "v_reset": -3 if reset == "hard" else 0}
    if reset != "hard":
        own["drop"] = level // 2
    neuron = IntegerLif(own, {"reset": reset})
    v, current = (RNG.integers(-900, 900, N).astype(np.int32) for _ in range(2))
    if bound > 1:
        v[::2], current[::2] = -LIMIT, -bound
    fires, want, _ = neuron.step(current.astype(np.int64)[None], {"v": v[None]})
    tables = neuron.tables()

    def body(e: Any, v: Any, current: Any, out: Any, *buffers: Any) -> None:
        named = {"v": v, **dict(zip(tables, buffers, strict=True))}
        tile = neuron.tile(e, named.__getitem__, 0, N, bound, biased=False)
        spikes = e.events(N)
        e.clear(spikes)
        tile.update_in_loops(N, current, spikes)
        with e.loop("i", spikes.count[0]) as i:
            e.store(out, i, 1, e.T.cast(spikes.index[i], "int32") + 1)

    out = np.zeros(N, np.int32)
    of_c(tmp_path, body, v, current, out, *tables.values(), schedule=SCHEDULE)
    np.testing.assert_array_equal(v, want["v"][0])
    spikes = np.flatnonzero(fires[0])
    assert 0 < len(spikes) < N
    np.testing.assert_array_equal(out[: len(spikes)], spikes + 1)
    assert not out[len(spikes) :].any()
