"""The networks of the tests, held once: every runner runs each of them.

They are made from a fixed seed, calibrated so that they spike, and snapped to a grid, all but
`off_grid`. To add one, add a line to `CASES`.
"""

from __future__ import annotations

import functools
import os
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from graph_cases import GRAPHS
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.network.grid import snap
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Layer,
    Lif,
    Maps,
    Network,
    Neuron,
    Synapses,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.ops.adaptive import Adaptive
from delrec_compile.ops.adlif import Adlif
from delrec_compile.ops.alif import Alif
from delrec_compile.ops.alpha import Alpha
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.loihi import Loihi
from delrec_compile.ops.registry import make_readout
from delrec_compile.runners.torch_runner import TorchRunner

RATE = 0.15
PLAIN = Lif(0.5)


@dataclass(frozen=True)
class Case:
    """sizes: neurons per layer. recurrence: per layer `conv<K>`, `conv<K>x<heads>`, `dense`,
    `synaptic`, `tap<K>x<delays>x<channels>`, `map<k>x<depth>x<channels>x<height>` (conv2d_delay),
    `channel<k>x<channels>x<height>`, `circular<k>x<channels>x<height>x<dilation>` (both
    channel_conv_delay), or an empty string.

    maps: per layer `<C>x<height>x<width>><O>x<k>x<stride>x<groups>`, a convolution over what comes
    in, or an empty string; its size is then the convolution's. A graph is drawn by its name.
    delays: the shortest and the longest, both occur. counts: largest input count. own: each neuron
    and output has constants of its own, beside those of `neuron`. grid: see `network.grid.snap`.
    input_bits: of real inputs, up to `counts` in size; None: counts.
    """

    name: str
    sizes: tuple[int, ...] = (20, 17)
    recurrence: tuple[str, ...] = ("", "conv3")
    inputs: int = 14
    outputs: int = 5
    delays: tuple[int, int] = (0, 12)
    neuron: Neuron = PLAIN
    own: bool = False
    readout: str = "leaky"
    readout_beta: float = 0.75
    counts: int = 2
    maps: tuple[str, ...] = ()
    grid: str = "int16"
    exact: bool = True
    input_bits: int | None = None

    @property
    def steps(self) -> int:
        """Long enough that the longest delay arrives."""
        return max(60, self.delays[1] + 80)

    def __str__(self) -> str:
        return self.name


CASES = {
    case.name: case
    for case in (
        Case("conv1", recurrence=("", "conv1")),
        Case("conv3"),
        Case("conv5", sizes=(17, 33), recurrence=("", "conv5")),
        Case("heads", sizes=(17, 33), recurrence=("conv3x2", "conv5x3")),
        Case("dense", sizes=(16, 20), recurrence=("", "dense")),
        Case("feed_forward", sizes=(5, 17), recurrence=("", "")),
        Case("first_layer", sizes=(33, 12), recurrence=("conv3", "")),
        Case("both_layers", sizes=(33, 17), recurrence=("conv5", "conv3")),
        Case("mixed", sizes=(16, 32), recurrence=("dense", "conv3")),
        Case("one_layer", sizes=(100,), recurrence=("conv3",)),
        Case("three_layers", sizes=(12, 9, 21), recurrence=("conv3", "", "dense")),
        Case("wide", sizes=(300, 260), recurrence=("conv3", "dense"), inputs=270),
        Case("no_delay", recurrence=("conv3", "dense"), delays=(0, 0)),
        Case("synaptic", sizes=(7, 21), recurrence=("synaptic", "synaptic")),
        Case("synaptic_wide", sizes=(270,), recurrence=("synaptic",), delays=(0, 40)),
        Case("tap_conv", sizes=(24, 18), recurrence=("tap3x4x3", "tap5x2x1")),
        Case("conv2d", sizes=(24, 40), recurrence=("map3x2x2x3", "map1x3x4x2")),
        Case("channel_conv", sizes=(32, 30), recurrence=("channel3x4x1", "circular3x2x3x2")),
        Case(
            "all_kinds",
            sizes=(12, 8, 9, 10),
            recurrence=("tap1x3x6", "map3x4x2x1", "synaptic", "conv3x2"),
        ),
        Case("frontend", (0, 12), ("", "conv3"), inputs=22, maps=("1x1x22>4x5x2x1", "")),
        Case(
            "frontend_2d",
            (0, 0, 10),
            ("", "", "dense"),
            inputs=60,
            maps=("2x6x5>4x3x1x2", "4x6x5>3x3x2x1", ""),
        ),
        Case(
            "recurrent_maps",
            (0, 0),
            ("tap3x3x2", "map3x2x4x3"),
            inputs=18,
            maps=("3x1x6>2x3x1x1", "2x3x2>4x2x1x1"),
            counts=31,
        ),
        Case("delay_255", sizes=(9, 18), delays=(0, 255)),
        Case("delay_300", sizes=(18,), recurrence=("dense",), delays=(0, 300)),
        Case("single", sizes=(5,), recurrence=("conv3",), inputs=1, outputs=1),
        Case("one_neuron", sizes=(1, 7), recurrence=("conv3", "dense"), inputs=3, outputs=2),
        Case("beta_0", neuron=Lif(0.0), readout_beta=0.0),
        Case("beta_1", neuron=Lif(1.0), readout_beta=1.0),
        Case(
            "odd_lif", neuron=Lif(0.9, threshold=0.75, v_reset=-0.25), recurrence=("dense", "conv3")
        ),
        Case("above", neuron=Lif(0.5, fires="above"), recurrence=("dense", "conv3")),
        Case("gain", neuron=Lif(0.9, gain=0.1), recurrence=("conv3", "dense")),
        Case("soft", neuron=Lif(0.8, reset="soft"), recurrence=("dense", "conv3")),
        Case(
            "soft_later",
            sizes=(17, 33),
            neuron=Lif(0.8, 0.7, gain=0.3, fires="above", reset="soft_later"),
            recurrence=("conv3", "dense"),
        ),
        Case("own_lif", sizes=(33, 17), recurrence=("conv3", "dense"), own=True),
        Case("own_soft", sizes=(9, 21), neuron=Lif(0.5, fires="above", reset="soft"), own=True),
        Case("own_soft_later", neuron=Lif(0.5, reset="soft_later"), own=True),
        Case("cuba_lif", neuron=CubaLif(0.6, 0.8, fires="above", reset="soft_later")),
        Case(
            "own_cuba_lif",
            sizes=(33, 17),
            neuron=CubaLif(0.5, 0.5, reset="hard_later", enters="old"),
            recurrence=("conv3", "dense"),
            readout="synaptic",
            own=True,
        ),
        Case(
            "alpha",
            neuron=Alpha(0.8, 0.5, 1.9, reset="soft_later"),
            recurrence=("conv3", "dense"),
        ),
        Case("own_alpha", neuron=Alpha(0.8, 0.5, 1.9, fires="at"), own=True),
        Case("refractory", neuron=Lif(0.8, 1.0, -0.2, 0.5, refractory=2)),
        Case("alif", neuron=Alif(0.8, 0.9, 0.2, gain=0.4), recurrence=("dense", "conv3")),
        Case(
            "own_alif",
            sizes=(17, 33),
            neuron=Alif(0.8, 0.9, 0.2, fires="above", reset="adapted"),
            recurrence=("conv3", "dense"),
            own=True,
        ),
        Case("adlif", neuron=Adlif(0.9, 0.95, 0.05, 0.1, gain=0.3, refractory=2)),
        Case(
            "own_adlif",
            sizes=(17, 33),
            neuron=Adlif(0.9, 0.95, 0.2, 0.3, fires="above", reset="soft", order="unreset"),
            recurrence=("conv3", "dense"),
            own=True,
        ),
        Case("loihi", neuron=Loihi(700, 300, 0.75, 0.0625), recurrence=("dense", "conv3")),
        Case("linear_readout", recurrence=("dense", "conv3"), readout="linear"),
        Case("count_readout", recurrence=("conv3", "dense"), readout="count", outputs=9),
        Case("counts", counts=31, recurrence=("conv3", "dense")),
        Case(
            "fine",
            (0, 33, 9),
            ("tap3x2x4", "dense", "synaptic"),
            inputs=22,
            maps=("1x1x22>4x5x2x1", "", ""),
            grid="fine",
        ),
        Case("fine_first_layer", sizes=(17, 33), recurrence=("dense", "conv3"), grid="fine"),
        Case("real", sizes=(17, 33), recurrence=("dense", "conv3"), counts=1, input_bits=7),
        Case(
            "real_maps",
            (0, 12),
            ("", "conv3"),
            inputs=60,
            maps=("2x6x5>4x3x1x2", ""),
            input_bits=5,
        ),
        Case("off_grid", recurrence=("dense", "conv3"), exact=False),
        Case("graph_maps", sizes=(), recurrence=(), inputs=12, counts=31),
        Case("graph_shared", sizes=(), recurrence=(), inputs=20, outputs=6),
        Case("graph_pools", sizes=(), recurrence=(), inputs=72),
    )
}
# one of each kind, for machines that are slow to emulate
ON_CHIPS = ("mixed", "odd_lif", "delay_300", "heads", "soft_later", "own_soft", "all_kinds")
ON_CHIPS += ("count_readout", "linear_readout", "fine", "adlif", "own_alif", "own_cuba_lif")
ON_CHIPS += ("alpha", "loihi", "real", "channel_conv", *GRAPHS)
EXACT = tuple(name for name, case in CASES.items() if case.exact)
FLOAT_ONLY = ("loihi",)
INTEGER = tuple(name for name in CASES if name not in FLOAT_ONLY)  # have int8 and int16
INTEGER_ON_CHIPS = tuple(name for name in ON_CHIPS if name in INTEGER)


# folder in which the workers of a run keep the calibrated networks; None: each makes its own
shared: Path | None = None


@functools.cache
def network(name: str) -> Network:
    """The network of a case."""
    if shared is None:
        return made(CASES[name])
    file = shared / f"{name}.pickle"
    if not file.exists():
        shared.mkdir(exist_ok=True)
        own = file.with_suffix(f".{os.getpid()}")
        own.write_bytes(pickle.dumps(made(CASES[name])))
        own.rename(file)
    kept: Network = pickle.loads(file.read_bytes())
    return kept


def made(case: Case) -> Network:
    """The network of any description."""
    rng = np.random.default_rng(list(case.name.encode()))
    drawn = GRAPHS[case.name](rng) if case.name in GRAPHS else _draw(case, rng)
    calibrated = calibrate(replace(drawn, name=case.name), case)
    return snap(calibrated, case.grid) if case.exact else calibrated


def counts(case: Case, batch: int = 1, steps: int | None = None) -> F32:
    """Input of a case: (T, batch, inputs), with silences and, where allowed, counts above 1.

    Real values are of both signs, some beyond the largest; some steps repeat the one before.
    """
    rng = np.random.default_rng(7)
    if case.input_bits is not None:
        values = rng.uniform(-1.1, 1.1, (steps or case.steps, batch, case.inputs)) * case.counts
        values[10:14], values[20:24], values[30:, :, ::3] = 0, values[20:21], 0
        return values.astype(np.float32)
    mean = 0.4 if case.counts <= 2 else 3.0
    x = np.minimum(rng.poisson(mean, (steps or case.steps, batch, case.inputs)), case.counts)
    x[10:14] = 0
    return x.astype(np.float32)


def calibrate(network: Network, case: Case) -> Network:
    """The same network with each layer's bias shifted so that it spikes at about RATE."""
    x = counts(case, batch=4, steps=40)
    for i in range(len(network.spiking)):
        low, high = -32.0, 32.0
        for _ in range(12):
            shifted = _shift(network, i, (low + high) / 2)
            rate = TorchRunner(shifted).trace(x).spikes[i][5:].mean()
            low, high = (low, (low + high) / 2) if rate > RATE else ((low + high) / 2, high)
        network = _shift(network, i, (low + high) / 2)
    return network


def _draw(case: Case, rng: np.random.Generator) -> Network:
    layers, inputs = [], case.inputs
    feeds = case.maps or ("",) * len(case.sizes)
    for size, kind, feed in zip(case.sizes, case.recurrence, feeds, strict=True):
        maps = _maps(feed) if feed else None
        shape = maps.kernel if maps else (size, inputs)
        n = maps.size if maps else size
        weight = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        bias = rng.normal(size=len(weight)) * 0.2
        recurrence = _recurrence(kind, n, case, rng)
        neuron = _own(case.neuron, n, rng) if case.own else case.neuron
        layers.append(Layer(weight, bias, neuron, recurrence, maps))
        inputs = n
    weight = rng.normal(size=(case.outputs, inputs)) / np.sqrt(inputs)
    beta: Any = {"linear": 0.0, "count": 1.0}.get(case.readout, case.readout_beta)
    own: Any = {"alpha": 0.5, "enters": "old"} if case.readout == "synaptic" else {}
    if case.own:
        beta = np.linspace(beta - 0.25, beta + 0.2, case.outputs)
        own |= {"alpha": np.linspace(0.9, 0.3, case.outputs)} if own else {}
    readout = make_readout(case.readout, weight, rng.normal(size=case.outputs) * 0.1, beta, **own)
    options: Any = {"max_input": case.counts, "input_bits": case.input_bits}
    return Network(tuple(layers), readout, name=case.name, **options)


def _own(neuron: Neuron, n: int, rng: np.random.Generator) -> Neuron:
    """Constants of each neuron, 0 and 1 among the betas, and steps of a refractory period from 0 on."""
    beta = np.round(rng.random(n), 1)
    beta[0], beta[-1] = 0, 1
    own: dict[str, Any] = {
        "beta": beta,
        "threshold": rng.uniform(0.5, 1.5, n),
        "v_reset": rng.uniform(-0.3, 0.3, n),
        "gain": rng.uniform(0.2, 1.2, n),
    }
    if isinstance(neuron, Adaptive):
        own |= {"rho": np.roll(beta, 1), "refractory": rng.integers(0, 4, n)}
    if isinstance(neuron, Alpha):
        own |= {"alpha": (1 + beta) / 2, "beta": beta / 2}
        del own["v_reset"]
    if isinstance(neuron, CubaLif):
        own |= {"alpha": np.roll(beta, 1), "gain_i": rng.uniform(0.2, 1.2, n)}
    return replace(neuron, **own)


def _maps(text: str) -> Maps:
    come_in, go_out = text.split(">")
    channels, height, width = (int(number) for number in come_in.split("x"))
    outputs, k, stride, groups = (int(number) for number in go_out.split("x"))
    rows, down = (1, 1) if height == 1 else (k, stride)
    kernel = (outputs, channels // groups, rows, k)
    pad = (rows // 2, k // 2)
    return Maps(channels, height, width, kernel, (down, stride), pad, groups)


def _recurrence(kind: str, n: int, case: Case, rng: np.random.Generator) -> Synapses | None:
    if not kind:
        return None
    name, numbers = re.fullmatch(r"([a-z]+)([0-9x]*)", kind).groups()  # type: ignore[union-attr]
    sizes = [int(number) for number in numbers.split("x") if number]
    return RECURRENCES[name](n, case, rng, *sizes)


def _conv(n: int, case: Case, rng: np.random.Generator, taps: int, *heads: int) -> Synapses:
    delay = _delays(case, (*heads, n), rng)
    return ConvDelay(rng.normal(size=(*heads, taps)) * 0.6, delay)


def _dense(n: int, case: Case, rng: np.random.Generator) -> Synapses:
    delay = _delays(case, (n,), rng)
    return DenseDelay(rng.normal(size=(n, n)) / np.sqrt(n), delay)


def _synaptic(n: int, case: Case, rng: np.random.Generator) -> Synapses:
    return SynapticDelay(rng.normal(size=(n, n)) / np.sqrt(n), _delays(case, (n, n), rng))


def _tap(
    n: int, case: Case, rng: np.random.Generator, taps: int, count: int, channels: int
) -> Synapses:
    low, high = case.delays
    delay = [low, *(low + 1 + rng.permutation(high - low - 1)[: count - 2]), high]
    kernel = rng.normal(size=(count, channels, taps)) * 0.6
    return TapConvDelay(kernel, delay[-count:], n // channels)


def _map(
    n: int,
    case: Case,
    rng: np.random.Generator,
    taps: int,
    depth: int,
    channels: int,
    height: int,
) -> Synapses:
    shape = (depth, channels, channels, taps, taps)
    kernel = rng.normal(size=shape) * 0.6 / taps / np.sqrt(channels * depth)
    return Conv2dDelay(kernel, height, n // channels // height)


def _channel(
    n: int,
    case: Case,
    rng: np.random.Generator,
    taps: int,
    channels: int,
    height: int,
    dilation: int | None = None,
) -> Synapses:
    """dilation: None: maps with zeros around; else on both axes, of circular maps."""
    rows = taps if height > 1 else 1
    kernel = rng.normal(size=(channels, channels, rows, taps)) * 0.6 / np.sqrt(channels * rows)
    edges: Any = {"dilation": (dilation, dilation), "edges": "circular"} if dilation else {}
    return ChannelConvDelay(kernel, _delays(case, (n,), rng), height, **edges)


RECURRENCES: dict[str, Callable[..., Synapses]] = {
    "conv": _conv,
    "dense": _dense,
    "synaptic": _synaptic,
    "tap": _tap,
    "map": _map,
    "channel": _channel,
    "circular": _channel,
}


def _delays(case: Case, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int64]:
    """Random, with the shortest and the longest among them."""
    low, high = case.delays
    delay = rng.integers(low, high + 1, shape)
    delay[..., 0], delay[..., -1] = low, high
    return delay


def _shift(network: Network, i: int, by: float) -> Network:
    """The network with another bias of its i-th population that fires."""
    if not network.graph:
        layers = list(network.layers)
        layers[i] = replace(layers[i], bias=layers[i].bias + np.float32(by))
        return replace(network, layers=tuple(layers))
    own = network.spiking[i].name
    shifted = [replace(p, bias=p.bias + by) if p.name == own else p for p in network.graph]
    return replace(network, graph=tuple(shifted))
