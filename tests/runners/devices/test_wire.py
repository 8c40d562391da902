"""Requests and answers: their bytes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.manifests import typed
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DataError, DeviceError, ParityError
from delrec_compile.runners.devices.wire import (
    CLIPPED,
    HEAD,
    MAGIC,
    Shape,
    answer_size,
    check_code,
    checked_times,
    decode,
    encode,
    one_line,
)

SHAPE = Shape(3, 2, (4, 5), "uint8")
X = np.arange(2 * 7 * 3).reshape(2, 7, 3)


def answer(request: bytes, y: np.ndarray, bits: np.ndarray, code: int = 0, test: int = 0) -> bytes:
    """The answer of targets/device/main.c: the head, rows of traces, nanoseconds."""
    fields = list(HEAD.unpack_from(request))
    fields[6] = test
    rows = b"".join(
        np.int32(code).tobytes() + a.tobytes() + np.packbits(b).tobytes()
        for a, b in zip(y, bits, strict=True)
    )
    return HEAD.pack(*fields) + rows


@pytest.fixture
def traced() -> tuple[bytes, np.ndarray, np.ndarray]:
    """A request to trace two samples, and the outputs and spikes of its answer."""
    r = np.random.default_rng(0)
    y = r.normal(size=(2, 7, 2)).astype(np.float32)
    return encode(SHAPE, X, traced=2, timed=0), y, r.integers(0, 2, (2, 7, 9), np.uint8)


def test_a_request_is_a_head_and_16_bit_counts() -> None:
    request = encode(SHAPE, X, traced=1, timed=2, slice_us=5, piece=3)
    assert HEAD.unpack_from(request) == (MAGIC, 2, 7, 1, 2, 5, 0, 3)
    counts = np.frombuffer(request[HEAD.size :], "<u2").reshape(X.shape)
    np.testing.assert_array_equal(counts, X)


def test_an_answer_comes_after_what_a_login_prints(
    traced: tuple[bytes, np.ndarray, np.ndarray],
) -> None:
    request, y, spikes = traced
    got = decode(b"Welcome!\n" + answer(request, y, spikes), request, SHAPE)
    np.testing.assert_array_equal(got.y, y)
    np.testing.assert_array_equal(got.spikes, spikes)
    assert got.ns_per_step == []
    trace = SHAPE.trace(got.y, got.spikes)
    assert trace.y.shape == (7, 2, 2)
    assert [s.shape for s in trace.spikes] == [(7, 2, 4), (7, 2, 5)]
    np.testing.assert_array_equal(trace.spikes[1][3, 1], spikes[1, 3, 4:])


def test_times_are_nanoseconds() -> None:
    request = encode(SHAPE, X, traced=0, timed=2)
    raw = request[: HEAD.size] + np.array([1500.0, 2.5]).tobytes()
    assert decode(raw, request, SHAPE).ns_per_step == [1500.0, 2.5]


def test_what_is_wrong_there_is_one_line(traced: tuple[bytes, np.ndarray, np.ndarray]) -> None:
    request, y, spikes = traced
    with refusal(DeviceError, "did not answer; it printed: sh: not found", 8):
        decode(b"sh: not\nfound", request, SHAPE)
    with refusal(DeviceError, "did not answer; it printed: nothing", 8):
        decode(b"", request, SHAPE)
    with refusal(DeviceError, r"the answer has \d+ of \d+ bytes: it was cut off", 8):
        decode(answer(request, y, spikes)[:-1], request, SHAPE)
    with refusal(ParityError, "the self-test fails there", 6):
        decode(answer(request, y, spikes, test=3), request, SHAPE)
    with refusal(ParityError, "the tracing kernel and the kernel without trace .* there", 6):
        decode(answer(request, y, spikes, code=1), request, SHAPE)
    with refusal(DeviceError, "an entry point rejected its arguments there", 8):
        check_code(2)
    with refusal(DeviceError, "code 9 there", 8):
        check_code(9)
    check_code(0)


def test_counts_fit_the_artifact(tmp_path: Path) -> None:
    assert Shape.of(Artifact(tmp_path, typed())) == SHAPE
    assert SHAPE.neurons == 9
    checked = SHAPE.checked(X.astype(np.float32))
    assert checked.dtype == np.uint8
    with refusal(DataError, r"x has shape \[2, 7, 2\]; \[samples, steps, 3\] is required", 3):
        SHAPE.checked(X[..., :2])
    with refusal(DataError, "x contains the count 256; this artifact takes up to 255", 3):
        SHAPE.checked(X + 215)
    with refusal(DataError, "not a count", 3):
        SHAPE.checked(X - 0.5)


def test_real_values_travel_as_float32() -> None:
    real = Shape(3, 2, (4, 5), "float32", real=True)
    x = np.float32([[[0.5, -1.25, 3]]])
    request = encode(real, real.checked(x), traced=1, timed=0)
    assert request[HEAD.size :] == x.tobytes()


def test_times_that_no_clock_measures() -> None:
    assert checked_times(np.array([1.5, 2.0])) == [1.5, 2.0]
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with refusal(DeviceError, "times that no clock measures", 8):
            checked_times(np.array([1.0, wrong]))


def test_the_size_of_an_answer_is_known(traced: tuple[bytes, np.ndarray, np.ndarray]) -> None:
    request, y, spikes = traced
    assert answer_size(request, SHAPE) == len(answer(request, y, spikes))
    assert answer_size(encode(SHAPE, X, traced=0, timed=2), SHAPE) == HEAD.size + 16


def test_text_of_another_machine_is_short() -> None:
    assert one_line("  a\n b\t\r\n") == "a b"
    assert len(one_line("x" * 10_000_000)) == CLIPPED


def test_a_code_below_0_is_a_failure_too(traced: tuple[bytes, np.ndarray, np.ndarray]) -> None:
    request, y, bits = traced
    with refusal(DeviceError, "code -4 there: report this", 8):
        decode(answer(request, y, bits, code=-4), request, SHAPE)
