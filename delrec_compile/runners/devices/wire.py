"""Requests to a device and their answers: the bytes that targets/device/main.c reads and writes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DataError, DeviceError, ParityError
from delrec_compile.runners.memory import values
from delrec_compile.runners.runner import KERNELS_DIFFER, Trace, split_spikes

MAGIC = 0x64726C32
HEAD = struct.Struct("<I7i")  # magic, samples, steps, traced, timed, slice in us, self-test, piece
# codes of main.c and rpc.c: the kernels differ; an entry point refused its arguments
DIFFERENT, REFUSED = 1, 2
SLICE_US = 4000
CLIPPED = 300  # characters of another machine's text in a message


@dataclass(frozen=True)
class Shape:
    """Sizes of one artifact's step. layers: neurons of each hidden layer. counts: dtype of x. real:
    whether x has real values, in place of counts."""

    inputs: int
    outputs: int
    layers: tuple[int, ...]
    counts: str
    real: bool = False

    @classmethod
    def of(cls, artifact: Artifact) -> Shape:
        """The sizes in an artifact's manifest."""
        m = artifact.manifest
        return cls(m.inputs, m.outputs, m.neurons, m.counts, m.input_bits is not None)

    @property
    def neurons(self) -> int:
        """Neurons of all hidden layers."""
        return sum(self.layers)

    def checked(self, x: NDArray[Any]) -> NDArray[Any]:
        """x (samples, steps, inputs) in the artifact's own dtype, contiguous. Raises DataError."""
        if x.ndim != 3 or x.shape[2] != self.inputs:
            raise DataError(
                f"x has shape {list(x.shape)}; [samples, steps, {self.inputs}] is required"
            )
        maximum = np.iinfo(self.counts).max if self.counts != "float32" else None
        if maximum is not None and x.size and x.max() > maximum:
            raise DataError(
                f"x contains the count {x.max():g}; this artifact takes up to {maximum}"
            )
        return np.ascontiguousarray(values(x, self.real), self.counts)

    def words(self, x: NDArray[Any]) -> bytes:
        """x as a request holds it: counts as uint16, real values as float32."""
        return x.astype("<f4" if self.real else "<u2").tobytes()

    def trace(self, y: F32, spikes: NDArray[np.uint8]) -> Trace:
        """A trace, which has the steps first, from (samples, steps, ..)."""
        layers = split_spikes(spikes.transpose(1, 0, 2), self.layers)
        return Trace(y.transpose(1, 0, 2), tuple(np.ascontiguousarray(s) for s in layers))


@dataclass(frozen=True)
class Answer:
    """y: (samples, steps, outputs). spikes: (samples, steps, neurons). ns_per_step: per slice."""

    y: F32
    spikes: NDArray[np.uint8]
    ns_per_step: list[float]


def encode(
    shape: Shape,
    x: NDArray[Any],
    traced: int,
    timed: int,
    slice_us: int = SLICE_US,
    piece: int = 0,
) -> bytes:
    """A request: the head and the samples x (samples, steps, inputs).

    traced: number of leading samples to trace. timed: slices of time, each of which goes through the
    samples from the next one on. piece: steps of a timed call; 0: all of a sample.
    """
    head = HEAD.pack(MAGIC, len(x), x.shape[1], traced, timed, slice_us, 0, piece)
    return head + shape.words(x)


def decode(output: bytes, request: bytes, shape: Shape) -> Answer:
    """The answer to a request; a login may have printed something before it.

    Raises ParityError when the self-test failed there or the kernels differ, DeviceError when the
    output is not an answer.
    """
    start = output.find(request[: struct.calcsize("<I4i")])
    if start < 0 or len(output) < start + HEAD.size:
        text = one_line(output[:CLIPPED].decode("utf-8", "replace")) or "nothing"
        raise DeviceError(f"the program there did not answer; it printed: {text}")
    _, _, steps, traced, timed, _, self_test, _ = HEAD.unpack_from(output, start)
    if self_test != 0:
        raise ParityError("the self-test fails there; build the artifact again")
    row = _row(steps, shape)
    body, expected = output[start + HEAD.size :], answer_size(request, shape) - HEAD.size
    if len(body) != expected:
        raise DeviceError(f"the answer has {len(body)} of {expected} bytes: it was cut off")
    rows = np.frombuffer(body, row, traced)
    for code in rows["code"]:
        check_code(int(code))
    bits = np.unpackbits(rows["bits"], axis=1, count=steps * shape.neurons)
    ns = checked_times(np.frombuffer(body, "<f8", timed, traced * row.itemsize))
    spikes = bits.reshape(traced, steps, shape.neurons)
    return Answer(rows["y"].astype(np.float32), spikes, ns)


def checked_times(ns: NDArray[Any]) -> list[float]:
    """Nanoseconds per step, as another machine tells them. Raises DeviceError."""
    if not (np.isfinite(ns) & (ns > 0)).all():
        raise DeviceError("it tells times that no clock measures: not finite, or not above 0")
    return [float(t) for t in ns]


def answer_size(request: bytes, shape: Shape) -> int:
    """Bytes of the answer to a request."""
    _, _, steps, traced, timed, *_ = HEAD.unpack_from(request)
    return int(HEAD.size + traced * _row(steps, shape).itemsize + timed * 8)


def _row(steps: int, shape: Shape) -> np.dtype[Any]:
    """The trace of a sample, as it is sent."""
    width = (steps * shape.neurons + 7) // 8
    return np.dtype(
        [("code", "<i4"), ("y", "<f4", (steps, shape.outputs)), ("bits", "u1", (width,))]
    )


def check_code(code: int) -> None:
    """Raises ParityError where the kernels of an artifact differ, DeviceError for another failure."""
    if code == DIFFERENT:
        raise ParityError(f"{KERNELS_DIFFER} there: report this")
    if code == REFUSED:
        raise DeviceError("an entry point rejected its arguments there: report this")
    if code != 0:
        raise DeviceError(f"code {code} there: report this")


def one_line(text: str) -> str:
    """Text of another machine as a message holds it: the start of it, in one line."""
    return " ".join(text[: 2 * CLIPPED].split())[:CLIPPED]
