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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from delrec_compile.aliases import F64, I64, Numeric
from delrec_compile.data.events import Events
from delrec_compile.errors import DataError, UnsupportedError, UsageError
from delrec_compile.network.integer.calibration import collect_statistics
from delrec_compile.network.integer.linear import (
    EXACT,
    RECEIVERS,
    as_weights,
    by_receiver,
    in_units,
)
from delrec_compile.network.integer.model import IntegerNetwork, weight_type
from delrec_compile.network.integer.population import (
    IntegerPopulation,
    IntegerProjection,
    IntegerReadout,
)
from delrec_compile.network.integer.rounding import (
    Block,
    InputStatistics,
    Rounded,
    Rounding,
    joined,
)
from delrec_compile.network.integer.synapses import IntegerConv, IntegerSynapses
from delrec_compile.network.model import (
    INPUT,
    ConvDelay,
    Convolution,
    Dense,
    DenseDelay,
    Network,
    Population,
    Projection,
    Readout,
    Synapses,
    SynapticDelay,
    SynapticReadout,
)
from delrec_compile.ops.integer_constants import share, steps_of
from delrec_compile.ops.registry import INTEGER_NEURONS
from delrec_compile.system.renamed import renamed_arguments

IN_ROWS = (Dense, DenseDelay, SynapticDelay)  # a weight for each pair of neurons
IN_WEIGHT_UNITS = (*IN_ROWS, Convolution)


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
    for p in network.populations:
        part = ""
        kinds = [each.synapses.kind for each in p.projections]
        wrong = [kind for kind in kinds if kind not in (*RECEIVERS, ConvDelay.kind)]
        if wrong:
            part = f"'{wrong[0]}' projection"
        elif isinstance(p.neuron, Readout):
            part = "" if p.neuron.has_integer_form else f"'{p.neuron.kind}' readout"
        elif p.neuron.kind not in INTEGER_NEURONS:
            part = f"'{p.neuron.kind}' neuron model"
        if part:
            raise UnsupportedError(
                f"population '{p.name}' has a {part}, which {numeric} does not have; build it with "
                "--numeric float32"
            )


def _quantise_parts(
    network: Network,
    numeric: Numeric,
    statistics: Mapping[str, Sequence[InputStatistics]] | None,
) -> IntegerNetwork:
    known = statistics or {}
    return IntegerNetwork.of(
        [_population(network, p, numeric, _learned(p, known)) for p in network.populations],
        numeric=numeric,
        dt_ms=network.dt_ms,
        max_input=network.max_input,
        input_bits=network.input_bits,
        labels=network.labels,
        name=network.name,
        notes={**network.notes, "calibrated": statistics is not None},
    )


def _learned(
    p: Population, known: Mapping[str, Sequence[InputStatistics]]
) -> Sequence[InputStatistics] | None:
    """Statistics for its rounding; none for pooling: equal weights are exact, and stay equal."""
    pools = all(getattr(each.synapses, "is_pool", False) for each in p.projections)
    return None if pools else known.get(p.name)


def _population(
    network: Network,
    p: Population,
    numeric: Numeric,
    statistics: Sequence[InputStatistics] | None,
) -> IntegerPopulation:
    largest = partial(_largest, network)
    biases = p.neuron.bias if isinstance(p.neuron, Readout) else p.biases
    other, shares = np.abs(biases.astype(np.float64)), [np.arange(p.size)]
    for each in p.projections:
        s = each.synapses
        if not isinstance(s, IN_WEIGHT_UNITS):
            other = other + s.largest_current(largest(each))
        if s.kind in RECEIVERS:
            shares.append(_channels(p.size, len(by_receiver(s.kind, *s.weights.values()))))
    blocks = _blocks(p, largest)
    if isinstance(p.neuron, Readout):
        lasting = steps_of(share(p.neuron.beta), share(_alpha(p.neuron)))
    else:
        form = INTEGER_NEURONS[p.neuron.kind]
        other, lasting = np.maximum(other, form.ends(p.neuron)), form.lasting(p.neuron)
    bits = _input_bits(network, p)
    rounded = Rounding(blocks, joined(shares), other, lasting, bits).round(numeric, statistics)
    unit, drift = np.ldexp(rounded.scale, -rounded.fraction), rounded.drift
    neuron: Any
    if isinstance(r := p.neuron, Readout):
        own = {"enters": r.enters} if isinstance(r, SynapticReadout) else {}
        neuron = IntegerReadout(share(r.beta), r.decision, r.kind, share(_alpha(r)), **own)
        drift = np.zeros_like(drift) if r.bias_on_output else drift  # it arises at each step
    else:
        neuron = form.of(p.neuron, unit)
    return IntegerPopulation(
        p.name,
        neuron,
        _projections(p, rounded, unit, numeric, bits),
        np.rint((biases + drift) / unit).astype(np.int32),
        rounded.fraction,
        rounded.scale,
    )


def _alpha(readout: Readout) -> Any:
    """Share of its synaptic current that a readout keeps; 0 for one without."""
    return readout.alpha if isinstance(readout, SynapticReadout) else 0.0


def _largest(network: Network, each: Projection) -> float:
    """Largest size of a value that comes through a projection."""
    return network.max_input if each.source == INPUT else 1


def _input_bits(network: Network, p: Population) -> int:
    """Bits of the fraction of real inputs that a population takes."""
    return (network.input_bits or 0) if any(e.source == INPUT for e in p.projections) else 0


def _blocks(p: Population, largest: Callable[[Projection], float]) -> list[Block]:
    """The weights in units of the scale: rows of the neurons first, then kernels."""
    rows: list[F64] = []
    counts, kernels = [], []
    for each in p.projections:
        s = each.synapses
        if not isinstance(s, IN_WEIGHT_UNITS):
            continue
        (values,) = s.weights.values()
        own = by_receiver(s.kind, values.astype(np.float64))
        most = np.full(own.shape[1], largest(each))
        if isinstance(s, Convolution):
            kernels.append(Block(own, most, _channels(p.size, len(own))))
        else:
            rows.append(own)
            counts.append(most)
    return [*_together(rows, counts, p.size), *kernels]


def _together(rows: list[F64], counts: list[Any], size: int) -> list[Block]:
    return [Block(np.hstack(rows), np.concatenate(counts), np.arange(size))] if rows else []


def _channels(size: int, channels: int) -> I64:
    """(size,): channel of each neuron."""
    return np.repeat(np.arange(channels), size // channels)


def _projections(
    p: Population, rounded: Rounded, unit: F64, numeric: Numeric, bits: int
) -> tuple[IntegerProjection, ...]:
    """unit: worth of a membrane unit of each neuron. bits: of the fraction of the input."""
    units, at, out = list(rounded.units), 0, []
    rows = units.pop(0) if any(isinstance(e.synapses, IN_ROWS) for e in p.projections) else None
    for each in p.projections:
        s = each.synapses
        synapses: IntegerSynapses
        own_bits = bits if each.source == INPUT else 0
        shift = rounded.fraction - own_bits
        if isinstance(s, Convolution):
            synapses = in_units(s, units.pop(0).reshape(s.kernel.shape), shift)
        elif isinstance(s, IN_ROWS):
            assert rows is not None
            to = at + s.weight.size // s.size
            weight = as_weights(s.kind, rows[:, at:to], s.weight.shape)
            synapses, at = in_units(s, weight, shift), to
        else:
            assert isinstance(s, Synapses)
            synapses = _kernel(s, np.ldexp(unit, own_bits), numeric)
        out.append(IntegerProjection(each.source, synapses, each.prefix))
    return tuple(out)


def _kernel(s: Synapses, unit: F64, numeric: Numeric) -> IntegerSynapses:
    """A kernel is small beside the weights, its taps large: in int16 mode they have 32 bits."""
    kind = np.int16 if numeric is Numeric.INT8 else np.int32
    if isinstance(s, ConvDelay):
        top = Numeric.INT16.max_weight if numeric is Numeric.INT8 else (1 << 31) - 1
        taps, shift = _shifted(s.kernel.astype(np.float64)[..., None] / unit, top)
        return IntegerConv(taps.astype(kind), s.delay, shift)
    (kernel,) = s.weights.values()
    first = by_receiver(s.kind, kernel.astype(np.float64))
    of_channels = unit.reshape(len(first), -1)[:, :1]
    top = Numeric.INT16.max_weight if numeric is Numeric.INT8 else EXACT - 1
    taps, shift = _shifted(first / of_channels, top)
    return in_units(s, as_weights(s.kind, taps, kernel.shape).astype(kind), shift)


def _shifted(taps: F64, top: int) -> tuple[F64, int]:
    """Taps in whole numbers up to `top` of 2^shift membrane units."""
    excess = np.abs(taps).max() / top
    shift = max(0, math.ceil(math.log2(excess))) if excess > 0 else 0
    return np.rint(np.ldexp(taps, -shift)), shift
