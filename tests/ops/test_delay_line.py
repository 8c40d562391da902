"""The delay line: its ring of bit planes, and its gather index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.c_text import loaded, of_c
from fixtures.ops import history
from fixtures.tir import run

from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.ops import delay_line
from delrec_compile.targets.schedule import Schedule

RNG = np.random.default_rng(11)


def test_the_ring_holds_every_arrival() -> None:
    """Arrivals 1 to `depth` steps ahead are in planes of their own: this step's was just cleared."""
    for depth in (*range(1, 70), 255, 256, 257, 4095):
        planes = delay_line.planes(depth)
        assert planes & (planes - 1) == 0
        assert depth <= planes < 2 * depth
    assert [delay_line.words(n) for n in (1, 32, 33, 64)] == [1, 1, 2, 2]


def test_the_gather_index_reads_what_the_reference_reads() -> None:
    hist, delay = history(RNG, 2, 5, 7), RNG.integers(0, 5, (3, 7)).astype(np.int32)
    want = delay_line.reference(hist, delay)
    at = torch.from_numpy(delay_line.gather_index(delay))
    have = delay_line.torch_form(torch.from_numpy(hist), at)
    np.testing.assert_array_equal(have.numpy().reshape(want.shape), want)
    assert want[1, 2, 3] == hist[1, delay[2, 3], 3]


@pytest.mark.parametrize("of_instruction", [True, False])
def test_the_lowest_bit_of_every_word_is_found(of_instruction: bool, tmp_path: Path) -> None:
    library = loaded(
        tmp_path,
        delay_line.C_TEXT + "int32_t of(uint32_t word) { return lowest_bit(word); }",
        *([] if of_instruction else ["-D__arm__"]),
    )
    for bit in range(32):
        for above in (0, 1, 0x5A5A5A5B, 0xFFFFFFFF):
            assert library.of(1 << bit | above << bit & 0xFFFFFFFF) == bit


@pytest.mark.parametrize("n", [5, 32, 45, 96])
@pytest.mark.parametrize("generator", ["c", "llvm"])
def test_a_plane_is_listed_in_ascending_order(n: int, generator: str, tmp_path: Path) -> None:
    """Bits beyond n, of damaged memory, are not listed."""
    plane = RNG.integers(0, 1 << 32, 3, np.uint64).astype(np.uint32)
    plane[1] = 0
    index, count = np.zeros(n + 16, np.uint8), np.zeros(1, np.int32)
    schedule = Schedule(1, 4, "branch")

    def body(e: Any, ring: Any, index: Any, count: Any) -> None:
        delay_line.emit_list(e, Events(index, count), ring, e.T.int32(0), n)

    if generator == "c":
        of_c(tmp_path, body, plane, index, count, schedule=schedule)
    else:
        _, index, count = run(body, plane, index, count, schedule=schedule)
    want = [i for i in range(n) if int(plane[i >> 5]) >> (i & 31) & 1]
    assert index[: count[0]].tolist() == want
