"""Places of arrays by their lifetimes."""

from __future__ import annotations

import random

from delrec_compile.plain_onnx.arena import Array, placed


def test_arrays_share_what_they_need_at_different_times() -> None:
    a, b, c = (
        Array("a", "float", 8, 0, 1),
        Array("b", "float", 4, 1, 2),
        Array("c", "float", 6, 2, 3),
    )
    offsets, sizes = placed([a, b, c])
    assert offsets == {"a": 0, "b": 8, "c": 0}
    assert sizes == {"float": 12}


def test_types_have_arenas_of_their_own() -> None:
    offsets, sizes = placed([Array("a", "float", 3, 0, 9), Array("n", "int64_t", 2, 0, 9)])
    assert offsets == {"a": 0, "n": 0}
    assert sizes == {"float": 3, "int64_t": 2}
    assert placed([]) == ({}, {})


def test_no_two_arrays_meet() -> None:
    rng = random.Random(0)
    starts = [rng.randrange(30) for _ in range(80)]
    arrays = [
        Array(f"a{i}", rng.choice(("float", "bool")), rng.randrange(1, 20), s, s + rng.randrange(6))
        for i, s in enumerate(starts)
    ]
    offsets, sizes = placed(arrays)
    used: dict[tuple[str, int, int], str] = {}
    for array in arrays:
        for call in range(array.first, array.last + 1):
            for at in range(offsets[array.name], offsets[array.name] + array.elements):
                assert used.setdefault((array.dtype, call, at), array.name) == array.name
                assert at < sizes[array.dtype]
    largest = max(len([k for k in used if k[:2] == ("float", call)]) for call in range(40))
    assert sizes["float"] <= 1.5 * largest
