"""The images are PNG files that another decoder reads."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib import image as reader
from numpy.typing import NDArray

from delrec_compile.evaluation.page import pixels


def decoded(uri: str) -> NDArray[np.float32]:
    head, _, body = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(reader.imread(io.BytesIO(base64.b64decode(body)), format="png"))


def test_signed_values_meet_at_white() -> None:
    shown = decoded(pixels.image(np.array([[-2.0, 0.0], [1.0, 2.0]]), signed=True))
    assert shown.shape[:2] == (2, 2)
    lowest, middle, highest = shown[0, 0], shown[0, 1], shown[1, 1]
    assert np.allclose(lowest[:3] * 255, pixels.DIVERGING[0], atol=1)
    assert np.allclose(highest[:3] * 255, pixels.DIVERGING[2], atol=1)
    assert middle[:3].min() > 0.93
    assert shown[1, 0, 2] > shown[1, 0, 0]  # positive: blue


def test_unsigned_values_run_from_the_least_to_the_greatest() -> None:
    shown = decoded(pixels.image(np.array([[3.0, 8.0]]), signed=False))
    assert np.allclose(shown[0, 0, :3] * 255, pixels.SEQUENTIAL[0], atol=1)
    assert np.allclose(shown[0, 1, :3] * 255, pixels.SEQUENTIAL[2], atol=1)
    assert decoded(pixels.image(np.full((2, 3), 7.0), signed=False)).shape[:2] == (2, 3)


def test_a_large_matrix_is_averaged_over_blocks() -> None:
    values = np.arange(256.0 * 3).reshape(256, 3)
    small = pixels.reduced(values, 4)
    assert small.shape == (4, 3)
    assert np.allclose(small, values.reshape(4, 64, 3).mean(1))
    wide = pixels.reduced(values.T, 4)
    assert np.allclose(wide, small.T)
