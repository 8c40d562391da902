"""Samples on their way to a device, and what comes back: the bytes that targets/device/main.c reads."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DataError, DeviceError, ParityError
from delrec_compile.runners.memory import counts
from delrec_compile.runners.runner import Trace

MAGIC = 0x64726C32
HEAD = struct.Struct("<I7i")  # magic, samples, steps, traced, timed, slice in us, self-test, piece
CODES = {
    1: "the tracing kernel and the plain one differ",
    2: "an entry point refused its arguments",
}
SLICE_US = 4000


@dataclass(frozen=True)
class Shape:
    """Of one artifact's step. layers: neurons of each."""

    inputs: int
    outputs: int
    layers: tuple[int, ...]
    counts: str

    @classmethod
    def of(cls, artifact: Artifact) -> Shape:
        """As the manifest has it."""
        m = artifact.manifest
        return cls(m.inputs, m.outputs, m.neurons, m.counts)

    @property
    def neurons(self) -> int:
        """Of all layers."""
        return sum(self.layers)

    def checked(self, x: NDArray[Any]) -> NDArray[Any]:
        """x (samples, steps, inputs) in the artifact's own dtype, contiguous. Raises DataError."""
        if x.ndim != 3 or x.shape[2] != self.inputs:
            raise DataError(
                f"x has shape {list(x.shape)}; [samples, steps, {self.inputs}] is needed"
            )
        most = np.iinfo(self.counts).max if self.counts != "float32" else None
        if most is not None and x.size and x.max() > most:
            raise DataError(f"x holds the count {x.max():g}; this artifact takes up to {most}")
        return np.ascontiguousarray(counts(x), self.counts)

    def trace(self, y: F32, spikes: NDArray[np.uint8]) -> Trace:
        """(samples, steps, ..) as a trace, which has the steps first."""
        cuts = np.cumsum(self.layers)[:-1]
        each = np.split(spikes.transpose(1, 0, 2), cuts, axis=2)
        return Trace(y.transpose(1, 0, 2), tuple(np.ascontiguousarray(s) for s in each))


def packed(
    x: NDArray[Any], traced: int, timed: int, slice_us: int = SLICE_US, piece: int = 0
) -> bytes:
    """The head and the samples x (samples, steps, inputs), of which the first are traced or timed.

    piece: steps of a timed call; 0: all of a sample.
    """
    head = HEAD.pack(MAGIC, len(x), x.shape[1], traced, timed, slice_us, 0, piece)
    return head + x.astype("<u2").tobytes()


def unpacked(
    answer: bytes, sent: bytes, shape: Shape
) -> tuple[F32, NDArray[np.uint8], list[float]]:
    """(y, spikes, nanoseconds per step) of an answer, which may follow what a login prints.

    Raises ParityError when the self-test failed there, DeviceError for what is no answer.
    """
    start = answer.find(sent[: struct.calcsize("<I4i")])
    if start < 0 or len(answer) < start + HEAD.size:
        said = " ".join(answer[:200].decode("utf-8", "replace").split()) or "nothing"
        raise DeviceError(f"the program there did not answer; it said: {said}")
    _, _, steps, traced, timed, _, self_test, _ = HEAD.unpack_from(answer, start)
    if self_test != 0:
        raise ParityError("the self-test fails there; build the artifact again")
    fired = steps * shape.neurons
    row = np.dtype(
        [("code", "<i4"), ("y", "<f4", (steps, shape.outputs)), ("bits", "u1", ((fired + 7) // 8,))]
    )
    body, whole = answer[start + HEAD.size :], traced * row.itemsize + timed * 8
    if len(body) != whole:
        raise DeviceError(f"the answer has {len(body)} bytes, {whole} are due: it was cut off")
    rows = np.frombuffer(body, row, traced)
    refused(int(rows["code"].max(initial=0)))
    bits = np.unpackbits(rows["bits"], axis=1, count=fired)
    ns = np.frombuffer(body, "<f8", timed, traced * row.itemsize)
    return rows["y"].astype(np.float32), bits.reshape(traced, steps, shape.neurons), ns.tolist()


def refused(code: int) -> None:
    """Raises DeviceError for a code other than 0."""
    if code != 0:
        raise DeviceError(f"{CODES.get(code, f'code {code}')} there: report this")
