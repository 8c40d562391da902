"""Lists of what changed give the sums of what is active."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures.avx512 import CPU, needs_bitalg
from fixtures.tir import run

from delrec_compile.compiler.tir.changes import ChangeLists
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)
WORDS = Schedule(16, 8, "words")


def planes(n: int) -> Any:
    """(steps, n): many changes, none, few, silence, all neurons, all but one."""
    active = RNG.random((9, n)) < 0.3
    active[2] = active[1]
    active[3], active[4] = active[1], active[1]
    active[4, :2] ^= True
    active[5], active[6], active[7] = False, True, True
    active[7, n // 2] = False
    return active


@needs_bitalg
@pytest.mark.parametrize("totals", [False, True])
@pytest.mark.parametrize("n", [64, 256, 1024])
def test_changes_are_what_became_active_and_what_no_longer_is(n: int, totals: bool) -> None:
    active = planes(n)
    steps, words = len(active), n // 8

    def body(e: Any, bits: Any, out: Any, gone: Any, since: Any) -> None:
        lists = ChangeLists(e, n, steps, totals)
        with e.loop("k", steps) as k:
            before = e.T.max(k - 1, 0) * words
            lists.list(k, e.view(bits, k * words, words), e.view(bits, before, words))
        with e.loop("k", steps) as k:
            e.store(since, k, 1, lists.since[k])
            for to, events in ((out, lists.new(k)), (gone, lists.gone(k))):
                with e.each(events) as j:
                    e.store(to, k * n + j, 1, to[k * n + j] + e.T.int32(1))

    bits = np.packbits(active, axis=1, bitorder="little").reshape(-1)
    empty = [np.zeros(steps * n, np.int32) for _ in range(2)]
    _, new, gone, since = run(
        body, bits, *empty, np.full(steps, -1, np.int32), schedule=WORDS, cpu=CPU
    )
    new, gone = new.reshape(steps, n), gone.reshape(steps, n)
    for k in range(steps):
        whole = since[k] == steps + 1
        before = np.full(n, whole) if whole or not since[k] else active[k - 1]
        np.testing.assert_array_equal(new[k], active[k] & ~before)
        np.testing.assert_array_equal(gone[k], before & ~active[k])
        changed = int((active[k] ^ active[k - 1]).sum()) if k else n
        number = int(active[k].sum())
        follows = k > 0 and changed < number and (not totals or changed <= n - number)
        inverts = totals and not follows and n - number < number
        assert since[k] == (k if follows else steps + 1 if inverts else 0)
    assert (steps + 1 in since) == totals
    assert {0, 2} <= set(since.tolist())
