"""A schedule refuses what no kernel can be made with, and says how weights are laid out."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.targets.schedule import Schedule


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lanes": 3}, "lanes = 3; a power of two"),
        ({"registers": 0}, "registers = 0; a power of two"),
        ({"words": 0}, "words = 0; 1 or more"),
        ({"events": "magic"}, "events = 'magic'; allowed: compress, words, movemask"),
        ({"rows": "int8"}, "rows = 'int8'; allowed: float32, units, pairs, joined"),
        ({"bytes": "bits"}, "bytes = 'bits'; allowed: wide, narrow, biased, words, memory"),
        ({"rows": "pairs", "lanes": 32}, "rows = 'pairs' needs lanes of 4, 8 or 16"),
        ({"taps": "planes", "lanes": 2}, "taps = 'planes' needs .* of 32 neurons; .* is 16"),
        ({"silent": "loud"}, "silent = 'loud'; allowed: skipped, subtracted"),
        ({"together": 3}, "together = 3; allowed: 1, 2"),
        ({"ahead": 2}, "ahead = 2; allowed: 0, 1"),
        ({"sums": "some"}, "sums = 'some'; allowed: all, changes"),
        ({"events": "words"}, "events = 'words' needs 16 lanes and .*; lanes is 8"),
        ({"events": "words", "lanes": 16, "registers": 2}, "of 64 neurons; .* of a step are 2"),
        (
            {"events": "words", "lanes": 16, "chunk": 8, "tile": 4, "together": 2},
            "events = 'words' needs .* of a step are 8, 2",
        ),
        ({"taps": "planes", "chunk": 8, "tile": 1}, "taps = 'planes' needs .* is 64, 8"),
    ],
)
def test_values_that_no_device_has(values: dict[str, Any], message: str) -> None:
    with refusal(UnsupportedError, message, 4):
        Schedule(**values)


def test_choices_have_their_effect_where_the_others_allow_it() -> None:
    wide = {"lanes": 16, "rows": "units", "events": "compress"}
    full = Schedule(**wide, bytes="biased", leak="halves", line="history", chunk=8)
    assert (full.biases, full.halves, full.masks) == (True, True, True)
    assert not Schedule(**wide).biases
    assert not Schedule(**{**wide, "rows": "float32"}, bytes="biased").biases
    narrow = Schedule(**wide, bytes="biased", chunk=8, tile=2)
    assert not any(narrow.of(kernel).biases for kernel in narrow.kernels)
    narrow = Schedule(**wide, bytes="biased", chunk=8, registers=2)
    assert not any(narrow.of(kernel).biases for kernel in narrow.kernels)
    assert not Schedule(4, leak="halves").halves
    assert not Schedule(8, events="compress", line="history").masks
    assert Schedule(8, events="movemask", line="history").masks
    assert Schedule(16, events="words", line="history").masks
    assert Schedule(16, events="words", sums="changes").changes
    assert not Schedule(16, events="compress", sums="changes").changes
    words = Schedule(16, events="words")
    assert [words.lists_words(n) for n in (64, 256, 96, 20)] == [True, True, False, False]
    assert not full.lists_words(64)
    assert Schedule(16, rows="joined").joins
    assert not Schedule(16, rows="pairs").joins
    assert Schedule(4, leak="sqrdmulh").doubles
    assert not full.doubles
    narrow = Schedule(8, rows="units", bytes="narrow")
    assert narrow.parts
    assert not Schedule(8, bytes="narrow").parts
    assert not Schedule(32, rows="units", bytes="narrow").parts


def test_kernels_follow_the_chunk() -> None:
    assert Schedule().kernels == ("run", "trace")
    blocked = Schedule(registers=8, tile=2, chunk=16)
    assert blocked.kernels == ("run", "trace", "sequence")
    assert [blocked.of(k).registers for k in blocked.kernels] == [8, 8, 2]


def test_an_order_of_weights_is_a_permutation() -> None:
    assert Schedule(lanes=4).order(10, 32) == list(range(10))
    vnni = Schedule(lanes=16, rows="pairs")
    assert (vnni.group(16), vnni.group(8), vnni.group(32)) == (2, 4, 1)
    avx2 = Schedule(lanes=8, rows="pairs")
    assert (avx2.group(16), avx2.group(8), avx2.group(32)) == (2, 1, 1)
    assert avx2.order(20, 16)[:4] == [0, 8, 1, 9]
    order = vnni.order(70, 16)
    assert sorted(order) == list(range(70))
    assert order[:4] == [0, 16, 1, 17]  # two blocks of 16, interleaved


def test_rows_side_by_side_follow_the_weights_and_counts() -> None:
    vnni, avx2 = (Schedule(lanes=n, rows="pairs") for n in (16, 8))
    assert [vnni.inputs(bits, 64, 31) for bits in (8, 16, 32)] == [4, 2, 1]
    assert [avx2.inputs(bits, 64, 31) for bits in (8, 16, 32)] == [2, 2, 1]
    assert vnni.inputs(8, 64, 1 << 8) == 2  # counts of more than 8 bits
    assert vnni.inputs(16, 65, 31) == 1  # no full blocks
    assert Schedule(lanes=16).inputs(16, 64, 31) == 1
