"""Checks of arrays name the tensor, where it is wrong, and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "nan": (lambda: checks.finite("w", [[1, np.nan]]), r"w\[0, 1\] is nan; weights must be finite"),
    "vector": (lambda: checks.matrix("w", [1.0]), r"w has shape \[1\]; \[out, in\] is required"),
    "length": (lambda: checks.vector("b", [1.0], 2), r"b has shape \[1\]; \[2\] is required"),
    "even kernel": (lambda: checks.kernel([1, 2]), "kernel has 2 taps; an odd number"),
    "negative": (lambda: checks.delays([0, -1]), r"delay\[1\] is -1; a delay cannot be negative"),
    "fraction": (lambda: checks.delays([1.5]), r"delay\[0\] is 1.5; a frozen delay is an integer"),
    "heads": (lambda: checks.vector_of_delays([[0], [1]]), r"delay has shape \[2, 1\]; \[N\]"),
    "axes": (lambda: checks.taps("k", [1, 2, 3], ("C", "K")), r"k has shape \[3\]; \[C, K\]"),
    "even taps": (lambda: checks.taps("k", [[1, 2]], ("C", "K")), "k has 2 taps; an odd number"),
    "bool": (lambda: checks.count("height", True), "height is True; an integer from 1"),
    "transposed": (
        lambda: checks.same_rows(np.ones((2, 3)), np.ones(3), "readout "),
        r"readout weight has shape \[2, 3\] and bias \[3\]; .* required: is the weight transposed\?",
    ),
    "rows": (lambda: checks.same_rows(np.ones((2, 3)), np.ones(4)), r"\[out\] are required$"),
    "matrices": (lambda: checks.matrices("w", np.ones((2, 0, 3))), r"\[heads, out, in\] is"),
    "axonal": (
        lambda: checks.axonal(np.ones((2, 4, 3)), np.ones((2, 4))),
        r"each column of each head, \[2, 3\], is required",
    ),
    "kernels": (
        lambda: checks.heads(np.ones((2, 3)), np.ones(5)),
        "2 kernels and 1 rows of delays",
    ),
    "long": (lambda: checks.delays([4095]), "the longest delay allowed is 4094 steps"),
    "no kernel": (lambda: checks.kernel(np.ones((1, 0))), r"\[K\] or \[heads, K\] is required"),
    "lag": (lambda: checks.lag("k", 4095), "k reaches 4095 steps back; the longest delay .* 4094"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(NetworkError, match=message):
        make()


def test_one_head_is_a_vector() -> None:
    assert checks.kernel([[1, 2, 3]]).shape == (3,)
    assert checks.delays([[1.0, 2.0]]).tolist() == [1, 2]
    assert checks.delays([[1, 2]]).dtype == np.int32


def test_what_fits_is_taken() -> None:
    checks.same_rows(np.ones((2, 3)), np.ones(2))
    checks.axonal(np.ones((4, 3)), np.ones(3))
    checks.heads(np.ones(3), np.ones(5))
    checks.lag("k", checks.MAX_DELAY)
    checks.count("height", 1)
    assert checks.delays(4094 * np.ones(2)).tolist() == [4094, 4094]
    assert checks.matrices("w", np.ones((1, 2, 3))).shape == (2, 3)
    assert checks.matrices("w", np.ones((2, 2, 3))).shape == (2, 2, 3)
