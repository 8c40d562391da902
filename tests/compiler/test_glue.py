"""The C around the kernels: exact tables, a strict header, a self-test that notices one bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest
from conftest import Compile

from delrec_compile.compiler import glue
from delrec_compile.compiler.glue import c_array

NETWORK = "conv3"


@pytest.mark.parametrize("at", [0, 100, -1])
def test_the_self_test_notices_other_outputs(
    at: int, compiled: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One recorded output is moved by its last bit."""
    golden = glue._golden

    def moved(network: Any) -> dict[str, Any]:
        facts = golden(network)
        values = np.array(
            [float.fromhex(v[:-1]) for v in facts["output"].replace(",", " ").split()]
        )
        values = values.astype(np.float32)
        values[at] = np.nextafter(values[at], np.float32(np.inf))
        return {**facts, "output": c_array(values)}

    network = cases.network(NETWORK)
    assert compiled(network).self_test()
    monkeypatch.setattr(glue, "_golden", moved)
    assert not compiled(replace(network, notes={"spoilt": at})).self_test()


def test_tables_are_exact_in_c() -> None:
    values = np.random.default_rng(0).normal(size=99).astype(np.float32)
    values[:3] = 0.0, -0.0, np.float32(1e-42)
    text = c_array(values).replace(",", " ").split()
    np.testing.assert_array_equal(
        np.array([float.fromhex(v.removesuffix("f")) for v in text], np.float32), values
    )
    assert c_array(np.array([1, 255], np.uint8)) == "1, 255,"
