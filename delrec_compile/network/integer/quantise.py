"""Quantising: a frozen float network -> its integer form, by itself or calibrated on samples.

Without samples a neuron's scale is its largest weight over the largest integer, and weights are
rounded to nearest. With samples, the mean and covariance of the inputs of each layer decide:

- a weight is rounded knowing the errors of those rounded before it (LDLQ, arXiv 2307.13304): the
  error of the current on the samples is made small, not that of each weight;
- several scales are tried per neuron, and the one with the smallest error of the current is used;
- the rest of the mean error, at the steps at which the neuron is near to firing, goes into
  the bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from delrec_compile.aliases import F64, Ints, Numeric
from delrec_compile.data.events import Events
from delrec_compile.errors import DataError, UnsupportedError, UsageError
from delrec_compile.network.integer.calibration import InputStatistics, collect_statistics
from delrec_compile.network.integer.layers import (
    LIMIT,
    MAX_FRACTION,
    ONE,
    IntegerLayer,
    IntegerReadout,
)
from delrec_compile.network.integer.model import IntegerNetwork, weight_type
from delrec_compile.network.integer.recurrence import RECURRENCES, IntegerConv, IntegerDense
from delrec_compile.network.model import ConvDelay, DenseDelay, Layer, Network, Readout, Synapses
from delrec_compile.ops.constants import Number
from delrec_compile.system.renamed import renamed_arguments

CLIPS = tuple(c / 20 for c in range(20, 9, -1))  # of the largest weight: 1 down to 0.5
DAMPING = 0.01  # of the mean variance, added to every variance
LASTING = 64  # steps of the worst input that a membrane takes before its clamp, whatever beta
ROOM = 1 << 26  # weight units of a neuron's worst sum: some fractional bits are left above it


def check_calibration(numeric: Numeric, calibrate: object) -> None:
    """Raises UsageError for samples to calibrate a mode on that takes none."""
    if calibrate is not None and not numeric.is_integer:
        raise UsageError(
            f"{numeric} is not calibrated: omit calibrate=..., or choose int8 or int16"
        )


@renamed_arguments(words="samples")
def quantise(network: Network, numeric: str, samples: Events | None = None) -> IntegerNetwork:
    """The integer form of a frozen network. numeric: 'int16' or 'int8'.

    samples: real samples to calibrate on, of training or validation; MAX_SAMPLES of them at most are
    used, evenly spaced. Equal arguments give equal networks.
    """
    weight_type(numeric)
    mode = Numeric(numeric)
    convertible(network, mode)
    if samples is None:
        return _quantise_parts(network, mode, None)
    if samples.channels != network.inputs or not len(samples):
        raise DataError(
            f"{len(samples)} samples of {samples.channels} channels; to calibrate on, at least one of "
            f"{network.inputs} channels is required"
        )
    return _quantise_parts(
        network, mode, collect_statistics(quantise(network, Numeric.INT16), samples)
    )


def convertible(network: Network, numeric: Numeric) -> None:
    """Raises UnsupportedError, by name, for a part that has no integer form."""
    for i, layer in enumerate(network.layers):
        r, part = layer.recurrence, ""
        if layer.maps is not None:
            part = "convolution of its inputs"
        elif r is not None and r.kind not in RECURRENCES:
            part = f"{r.name} recurrence"
        else:
            part = layer.neuron.float_only
        if part:
            raise UnsupportedError(_no_integer_form(f"layer {i}", part, numeric))
    if not network.readout.has_integer_form:
        part = f"'{network.readout.kind}' readout"
        raise UnsupportedError(_no_integer_form("the network", part, numeric))


def _no_integer_form(owner: str, part: str, numeric: str) -> str:
    return f"{owner} has a {part}, which {numeric} does not have; build it with --numeric float32"


def _quantise_parts(
    network: Network, numeric: Numeric, statistics: list[InputStatistics] | None
) -> IntegerNetwork:
    notes = {**network.notes, "calibrated": statistics is not None}
    of_parts: list[Any] = statistics or [None] * (len(network.layers) + 1)
    layers = tuple(
        _layer(layer, numeric, network.largest_units if i == 0 else 1, of_parts[i])
        for i, layer in enumerate(network.layers)
    )
    return IntegerNetwork(
        layers,
        _readout(network.readout, numeric, of_parts[-1]),
        numeric=numeric,
        dt_ms=network.dt_ms,
        max_input=network.max_input,
        labels=network.labels,
        name=network.name,
        notes=notes,
    )


def _layer(
    layer: Layer, numeric: Numeric, max_input: int, statistics: InputStatistics | None
) -> IntegerLayer:
    lif, r = layer.lif, layer.recurrence
    beta = _q15(lif.beta)
    counts = np.full(layer.inputs, max_input)
    if isinstance(r, DenseDelay):
        counts = np.append(counts, np.ones(r.size, np.int64))
    other = np.abs(layer.bias.astype(np.float64))
    if isinstance(r, ConvDelay):
        other = other + r.largest_current()
    ends = np.maximum(np.abs(lif.threshold), np.abs(lif.v_reset)) / lif.gain
    rows = _Rows(_weights(layer), counts, np.maximum(other, ends), int(np.max(beta)))
    units, scale, drift = _round_rows(rows, numeric, statistics)
    fraction = rows.fraction(units, scale, drift)
    unit = np.ldexp(scale, -fraction)
    worth = unit * lif.gain  # of a membrane unit: the gain is in the scale
    level = np.ceil(lif.threshold / worth)
    if lif.fires == "above":
        level = np.floor(lif.threshold / worth) + 1
    drop = None if lif.reset == "hard" else np.rint(lif.threshold / worth).astype(np.int32)
    return IntegerLayer(
        weight=units[:, : layer.inputs],
        bias=np.rint((layer.bias + drift) / unit).astype(np.int32),
        threshold=level.astype(np.int32),
        v_reset=np.minimum(np.rint(lif.v_reset / worth), level - 1).astype(np.int32),
        beta=beta,
        fraction=fraction,
        scale=scale,
        recurrence=_recurrence(r, units[:, layer.inputs :], unit, numeric),
        reset=lif.reset,
        drop=drop,
    )


def _readout(
    readout: Readout, numeric: Numeric, statistics: InputStatistics | None
) -> IntegerReadout:
    other, ones = np.abs(readout.bias.astype(np.float64)), np.ones(readout.inputs, np.int64)
    rows = _Rows(_weights(readout), ones, other, _q15(readout.beta))
    units, scale, drift = _round_rows(rows, numeric, statistics)
    fraction = rows.fraction(units, scale, drift)
    if readout.bias_on_output:
        drift = np.zeros_like(drift)  # it arises at each step
    bias = np.rint((readout.bias + drift) / np.ldexp(scale, -fraction)).astype(np.int32)
    return IntegerReadout(
        units, bias, rows.beta, fraction, scale, decision=readout.decision, kind=readout.kind
    )


def _recurrence(
    r: Synapses | None, units: Ints, unit: F64, numeric: Numeric
) -> IntegerConv | IntegerDense | None:
    if isinstance(r, DenseDelay):
        return IntegerDense(units, r.delay)
    if not isinstance(r, ConvDelay):
        return None
    # a kernel is small beside the weights, its taps large: in int16 mode they have 32 bits
    kind = np.int16 if numeric is Numeric.INT8 else np.int32
    top = Numeric.INT16.max_weight if numeric is Numeric.INT8 else (1 << 31) - 1
    taps = r.kernel.astype(np.float64)[..., None] / unit
    excess = np.abs(taps).max() / top
    shift = max(0, math.ceil(math.log2(excess))) if excess > 0 else 0
    return IntegerConv(np.rint(np.ldexp(taps, -shift)).astype(kind), r.delay, shift)


def _weights(part: Layer | Readout) -> F64:
    """The weights that share a neuron's scale: (out, in), or (out, in + N) with dense_delay."""
    weight = part.weight.astype(np.float64)
    r = part.recurrence if isinstance(part, Layer) else None
    return np.hstack([weight, r.weight]) if isinstance(r, DenseDelay) else weight


def _q15(beta: Number) -> Any:
    """In 2^-15: a number, or an array of int32."""
    rounded = np.rint(np.asarray(beta, np.float64) * ONE).astype(np.int32)
    return rounded if rounded.ndim else int(rounded)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Weights (out, in) that share a scale per row, and the bounds of a neuron's sums.

    counts: (in,), the largest value of each input. other: (out,), the size of all else that a step
    adds, at least that of the threshold.
    """

    weight: F64
    counts: Any
    other: F64
    beta: int

    @property
    def lasting(self) -> float:
        """Largest membrane, as a multiple of what one step can add; LASTING at most."""
        return min(ONE / max(ONE - self.beta, 1), LASTING)

    def smallest_scale(self) -> F64:
        """The smallest scale of each row at which its sums have room, whatever its weights."""
        worst = (np.abs(self.weight) @ self.counts + self.other) * self.lasting
        return np.asarray(np.maximum(worst / ROOM, float(np.finfo(np.float32).tiny)))

    def fraction(self, units: Ints, scale: F64, drift: F64) -> int:
        """Most fractional bits with which the largest membrane stays below half the limit.

        Half: the rounding of bias, threshold and kernel comes on top, at most half a unit each.
        """
        worst = np.abs(units.astype(np.float64)) @ self.counts
        worst = (worst + (self.other + np.abs(drift)) / scale).max() * self.lasting
        return max(0, min(MAX_FRACTION, math.floor(math.log2(LIMIT / 2 / max(worst, 1.0)))))


def _round_rows(
    rows: _Rows, numeric: Numeric, statistics: InputStatistics | None
) -> tuple[Ints, F64, F64]:
    """Integers (out, in), the scale of each row, and the error that its bias must compensate."""
    kind, top = weight_type(numeric), numeric.max_weight
    largest, smallest = np.abs(rows.weight).max(axis=1), rows.smallest_scale()
    scale = np.maximum(largest / top, smallest)
    if statistics is None:
        units = np.clip(np.rint(rows.weight / scale[:, None]), -top, top)
        return units.astype(kind), scale, np.zeros(len(scale))
    feedback = _feedback(statistics.covariance)
    best, units = _ldlq(rows.weight, scale, top, feedback)
    for clip in CLIPS[1:]:
        tried = np.maximum(largest * clip / top, smallest)
        error, candidate = _ldlq(rows.weight, tried, top, feedback)
        better = error < best
        best, scale = np.where(better, error, best), np.where(better, tried, scale)
        units[better] = candidate[better]
    drift = ((rows.weight - units * scale[:, None]) * statistics.near).sum(axis=1)
    return units.astype(kind), scale, drift


def _feedback(covariance: F64) -> tuple[Any, F64, F64]:
    """(order, L, d): e C e^T = sum_j d[j] (e_j + sum_{k<j} L[j, k] e_k)^2, columns in `order`."""
    n = len(covariance)
    variance = np.diagonal(covariance)
    order = np.argsort(-variance, kind="stable")
    left = covariance[np.ix_(order, order)] + np.eye(n) * (DAMPING * variance.mean() + 1e-12)
    lower, d = np.zeros((n, n)), np.zeros(n)
    for j in range(n - 1, -1, -1):
        d[j] = left[j, j]
        lower[j, :j] = left[j, :j] / d[j]
        left[:j, :j] -= np.outer(lower[j, :j], left[j, :j])
    return order, lower, d


def _ldlq(rows: F64, scale: F64, top: int, feedback: tuple[Any, F64, F64]) -> tuple[F64, F64]:
    """Error of the current per row, and the rows in units of their scale."""
    order, lower, d = feedback
    units = np.zeros_like(rows)
    # columns as rows, so that each step reads and writes in one piece
    weight = np.ascontiguousarray(rows[:, order].T)
    wanted, error = weight.copy(), np.zeros(len(rows))
    for j in range(len(order)):
        q = np.clip(np.rint(wanted[j] / scale), -top, top)
        error += d[j] * (wanted[j] - q * scale) ** 2
        wanted[j + 1 :] += np.outer(lower[j + 1 :, j], weight[j] - q * scale)
        units[:, order[j]] = q
    return error, units
