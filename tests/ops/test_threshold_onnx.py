"""The nodes that compare a membrane with its threshold: as NumPy compares, for NaN and infinity too."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from onnx.reference import ReferenceEvaluator

from delrec_compile.aliases import F32
from delrec_compile.ops.threshold_onnx import (
    FIRES,
    NUMBERS,
    rested,
    spikes,
    threshold,
    under,
)

UPPER = np.nextafter(np.float32(1e30), np.float32(np.inf))
NEAR = [np.nextafter(np.float32(1), np.float32(to)) for to in (0, 2)]
VALUES = np.float32(
    [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e30, UPPER, -UPPER, -1, -0.0, 0, 1, *NEAR]
)
PAIRS = np.array(np.meshgrid(VALUES, VALUES)).reshape(2, -1)


def run(body: str, output: str, *, first: str, values: F32, level: F32) -> F32:
    text = f"""
    <ir_version: 9, opset_import: ["" : 18]>
    g (float[n] {first}, float[n] level) => (float[n] result)
    {{
        {NUMBERS}
        {body}
        result = {output}
    }}"""
    feed = {first: values, "level": level}
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(ReferenceEvaluator(onnx.parser.parse_model(text)).run(None, feed)[0])


@pytest.mark.parametrize("fires", FIRES)
def test_rested_is_below_its_level_and_no_nan(fires: str) -> None:
    v, level = PAIRS
    body, output = rested(fires, "level"), "Where (rested, one, zero)"
    got = run(body, output, first="v", values=v, level=level)
    np.testing.assert_array_equal(got, v < level if fires == "at" else v <= level)


@pytest.mark.parametrize("fires", FIRES)
@pytest.mark.parametrize("level", [1, -1, 0])
def test_spikes_are_at_or_above_a_threshold_and_no_nan(fires: str, level: int) -> None:
    m, levels = VALUES, np.full_like(VALUES, level)
    got = run(spikes(fires, "level"), "Identity (spikes)", first="m", values=m, level=levels)
    np.testing.assert_array_equal(got, m >= levels if fires == "at" else m > levels)


@pytest.mark.parametrize("fires", FIRES)
def test_the_threshold_comes_back(fires: str) -> None:
    want = np.float32([1.0, 0.1, 3e-5, 0.0, -2.0])
    np.testing.assert_array_equal(threshold(under(want, fires), fires), want)
    assert (under(want, fires) <= want).all()
