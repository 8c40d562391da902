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
from collections.abc import Sequence
from typing import Any

import numpy as np

from delrec_compile.aliases import F64, I64, Ints, Numeric
from delrec_compile.data.events import Events
from delrec_compile.errors import DataError, UnsupportedError, UsageError
from delrec_compile.network.integer.calibration import collect_statistics
from delrec_compile.network.integer.layers import ONE, IntegerLayer, IntegerReadout
from delrec_compile.network.integer.model import IntegerNetwork, weight_type
from delrec_compile.network.integer.rounding import Block, InputStatistics, Rounding, joined
from delrec_compile.network.integer.synapses import (
    EXACT,
    RECEIVERS,
    IntegerConv,
    IntegerSynapses,
    by_receiver,
    has_integer_form,
    in_units,
)
from delrec_compile.network.model import (
    ConvDelay,
    DenseDelay,
    Layer,
    Network,
    Readout,
    Synapses,
    SynapticDelay,
)
from delrec_compile.ops.constants import Number
from delrec_compile.system.renamed import renamed_arguments

BY_SYNAPSE = (DenseDelay, SynapticDelay)  # a weight for each pair of neurons


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
    if network.real_input is not None:
        raise UnsupportedError(_no_integer_form("the network", "real-valued input", numeric))
    for i, layer in enumerate(network.layers):
        r, part = layer.recurrence, ""
        if r is not None and not has_integer_form(r):
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
    network: Network, numeric: Numeric, statistics: list[list[InputStatistics]] | None
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
    layer: Layer,
    numeric: Numeric,
    max_input: int,
    statistics: Sequence[InputStatistics] | None,
) -> IntegerLayer:
    lif, r = layer.lif, layer.recurrence
    beta, biases = _q15(lif.beta), layer.biases.astype(np.float64)
    other, shares = np.abs(biases), [np.arange(layer.size)]
    if layer.maps is not None:
        shares.append(_channels(layer.size, layer.maps.kernel[0]))
    if r is not None and not isinstance(r, BY_SYNAPSE):
        other = other + r.largest_current()
        if r.kind in RECEIVERS:
            shares.append(_channels(layer.size, len(by_receiver(r.kind, *r.weights.values()))))
    ends = np.maximum(np.abs(lif.threshold), np.abs(lif.v_reset)) / lif.gain
    blocks = _blocks(layer, max_input)
    rounding = Rounding(blocks, joined(shares), np.maximum(other, ends), int(np.max(beta)))
    rounded = rounding.round(numeric, statistics)
    scale, fraction, units = rounded.scale, rounded.fraction, rounded.units
    unit = np.ldexp(scale, -fraction)
    worth = unit * lif.gain  # of a membrane unit: the gain is in the scale
    level = np.ceil(lif.threshold / worth)
    if lif.fires == "above":
        level = np.floor(lif.threshold / worth) + 1
    drop = None if lif.reset == "hard" else np.rint(lif.threshold / worth).astype(np.int32)
    feed = units[-1].reshape(layer.weight.shape) if layer.maps else units[0][:, : layer.inputs]
    return IntegerLayer(
        weight=feed,
        bias=np.rint((biases + rounded.drift) / unit).astype(np.int32),
        threshold=level.astype(np.int32),
        v_reset=np.minimum(np.rint(lif.v_reset / worth), level - 1).astype(np.int32),
        beta=beta,
        fraction=fraction,
        scale=scale,
        recurrence=_recurrence(r, units[0], unit, fraction, numeric),
        reset=lif.reset,
        drop=drop,
        maps=layer.maps,
    )


def _readout(
    readout: Readout, numeric: Numeric, statistics: Sequence[InputStatistics] | None
) -> IntegerReadout:
    n, beta = readout.size, _q15(readout.beta)
    other, ones = np.abs(readout.bias.astype(np.float64)), np.ones(readout.inputs, np.int64)
    block = Block(readout.weight.astype(np.float64), ones, np.arange(n))
    rounded = Rounding([block], np.arange(n), other, beta).round(numeric, statistics)
    scale, fraction, drift = rounded.scale, rounded.fraction, rounded.drift
    if readout.bias_on_output:
        drift = np.zeros_like(drift)  # it arises at each step
    bias = np.rint((readout.bias + drift) / np.ldexp(scale, -fraction)).astype(np.int32)
    kinds = {"decision": readout.decision, "kind": readout.kind}
    return IntegerReadout(rounded.units[0], bias, beta, fraction, scale, **kinds)


def _blocks(layer: Layer, max_input: int) -> list[Block]:
    """The weights that share the scales: rows of the neurons first, then kernels."""
    r, own = layer.recurrence, np.arange(layer.size)
    rows: list[F64] = [] if layer.maps else [layer.weight.astype(np.float64)]
    counts = [np.full(part.shape[1], max_input) for part in rows]
    if isinstance(r, BY_SYNAPSE):
        rows.append(by_receiver(r.kind, r.weight.astype(np.float64)))
        counts.append(np.ones(rows[-1].shape[1], np.int64))
    out = [Block(np.hstack(rows), np.concatenate(counts), own)] if rows else []
    if layer.maps is not None:
        kernel = layer.weight.astype(np.float64).reshape(len(layer.weight), -1)
        most = np.full(kernel.shape[1], max_input)
        out.append(Block(kernel, most, _channels(layer.size, len(kernel))))
    return out


def _channels(size: int, channels: int) -> I64:
    """(size,): channel of each neuron."""
    return np.repeat(np.arange(channels), size // channels)


def _recurrence(
    r: Synapses | None, units: Ints, unit: F64, fraction: int, numeric: Numeric
) -> IntegerSynapses | None:
    """units: of the rows, those of synapses last. unit: worth of a membrane unit of each neuron."""
    if r is None:
        return None
    if isinstance(r, BY_SYNAPSE):
        heads = units[:, -r.weight.size // r.size :].reshape(r.size, -1, r.weight.shape[-1])
        return in_units(r, heads.transpose(1, 0, 2).reshape(r.weight.shape), fraction)
    # a kernel is small beside the weights, its taps large: in int16 mode they have 32 bits
    kind = np.int16 if numeric is Numeric.INT8 else np.int32
    if isinstance(r, ConvDelay):
        top = Numeric.INT16.max_weight if numeric is Numeric.INT8 else (1 << 31) - 1
        taps, shift = _shifted(r.kernel.astype(np.float64)[..., None] / unit, top)
        return IntegerConv(taps.astype(kind), r.delay, shift)
    ((_, kernel),) = r.weights.items()
    first = np.moveaxis(kernel.astype(np.float64), RECEIVERS[r.kind], -1)
    of_channels = unit.reshape(first.shape[-1], -1)[:, 0]
    top = Numeric.INT16.max_weight if numeric is Numeric.INT8 else EXACT - 1
    taps, shift = _shifted(first / of_channels, top)
    return in_units(r, np.moveaxis(taps, -1, RECEIVERS[r.kind]).astype(kind), shift)


def _shifted(taps: F64, top: int) -> tuple[F64, int]:
    """Taps in whole numbers up to `top` of 2^shift membrane units."""
    excess = np.abs(taps).max() / top
    shift = max(0, math.ceil(math.log2(excess))) if excess > 0 else 0
    return np.rint(np.ldexp(taps, -shift)), shift


def _q15(beta: Number) -> Any:
    """In 2^-15: a number, or an array of int32."""
    rounded = np.rint(np.asarray(beta, np.float64) * ONE).astype(np.int32)
    return rounded if rounded.ndim else int(rounded)
