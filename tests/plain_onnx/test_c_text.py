"""Names and constants of a plain step as C."""

from __future__ import annotations

import numpy as np

from delrec_compile.plain_onnx.c_text import initialiser, members


def test_members_have_names_of_their_own() -> None:
    names = members(["past_a.b", "past_a_b", "past_a-b", "past_a_b_"])
    assert names["past_a_b"] == "past_a_b"
    assert names["past_a_b_"] == "past_a_b_"
    assert len(set(names.values())) == 4


def test_constants_are_exact_and_need_no_header() -> None:
    assert initialiser(np.array([0.1], np.float32)) == "0x1.99999a0000000p-4f,"
    assert initialiser(np.array([np.inf, -np.inf], np.float32)) == (
        "__builtin_inff(), -__builtin_inff(),"
    )
    assert "nan" in initialiser(np.array([np.nan], np.float32))
    assert initialiser(np.array([True, False])) == "1, 0,"
