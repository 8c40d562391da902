"""Numeric modes by name, and what follows from them."""

from __future__ import annotations

import json

import numpy as np
from helpers import refusal

from delrec_compile.aliases import INTEGER_MODES, Numeric
from delrec_compile.errors import UnsupportedError


def test_a_mode_is_its_name() -> None:
    assert json.dumps(list(Numeric)) == '["float32", "int16", "int8"]'
    assert f"{Numeric.INT8}" == "int8" == Numeric.parse("int8")
    with refusal(
        UnsupportedError, "mode 'int7'; did you mean 'int\\d+'.; allowed: float32, int", 4
    ):
        Numeric.parse("int7")


def test_integer_modes_have_symmetric_weights() -> None:
    assert INTEGER_MODES == (Numeric.INT16, Numeric.INT8)
    assert [(m.bits, m.max_weight) for m in INTEGER_MODES] == [(16, 32767), (8, 127)]
    assert all(m.max_weight == np.iinfo(m.dtype).max for m in INTEGER_MODES)
    assert not Numeric.FLOAT32.is_integer
