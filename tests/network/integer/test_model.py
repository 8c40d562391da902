"""The integer form: one meaning in every arithmetic, no overflow, near to the float network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest
from fixtures import scalar_neurons
from fixtures.scalar_neurons import clamp, i32, leak
from helpers import refusal
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from delrec_compile.aliases import INTEGER_MODES, Numeric
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import DataError, NetworkError, UnsupportedError
from delrec_compile.network import checkpoint
from delrec_compile.network.integer.linear import IntegerDense
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.network.model import INPUT, ConvDelay, DenseDelay, Layer, Lif, Network
from delrec_compile.ops import circular, integer_leak
from delrec_compile.ops.arrivals import History
from delrec_compile.ops.integer_arithmetic import Arrays
from delrec_compile.ops.integer_leak import LIMIT, ONE
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.lif import FIRES, RESETS
from delrec_compile.ops.maps import Maps

Array = NDArray[Any]


def reached(maps: Maps, kernel: Array, j: int) -> Iterator[tuple[int, int]]:
    """The sums that input j of a convolution reaches, each with its weight."""
    c, rest = divmod(j, maps.height * maps.width)
    (outputs, high, wide), channels = maps.sums, maps.channels // maps.groups
    y, x = divmod(rest, maps.width)
    if y >= maps.height - maps.window.cropped[0] or x >= maps.width - maps.window.cropped[1]:
        return
    for o, a, b in np.ndindex(outputs, *kernel.shape[2:]):
        (row, down), (column, right) = (
            divmod(place + pad - tap * spread, step)
            for place, pad, tap, spread, step in zip(
                (y, x), maps.pad, (a, b), maps.dilation, maps.stride, strict=True
            )
        )
        seen = not down and not right and 0 <= row < high and 0 <= column < wide
        if seen and o // (outputs // maps.groups) == c // channels:
            yield (o * high + row) * wide + column, int(kernel[o, c % channels, a, b])


def largest(maps: Maps, sums: list[int]) -> list[int]:
    """The largest sum of each window."""
    assert maps.peak is not None
    _, high, wide = maps.sums
    window, out = maps.peak, []
    for o, y, x in np.ndindex(maps.out):
        rows, columns = (
            [at * step + k * spread - pad for k in range(size)]
            for at, step, size, spread, pad in zip(
                (y, x), window.stride, window.size, window.dilation, window.pad, strict=True
            )
        )
        seen = [(r, c) for r in rows for c in columns if 0 <= r < high and 0 <= c < wide]
        out.append(max(sums[(o * high + r) * wide + c] for r, c in seen))
    return out


def delays_of(r: Any, j: int) -> Iterator[tuple[int, int]]:
    """Which part of the weights a spike of j meets, and after which delay."""
    if r.kind == "synaptic_delay":
        yield from enumerate(r.form.delay[:, j].tolist())
    elif isinstance(r.line, History):
        yield from enumerate(r.form.lags)
    else:
        yield from enumerate(r.line.delay[:, j].tolist())


def met(r: Any, head: int, j: int) -> Iterator[tuple[int, int]]:
    """The neurons that a value of j reaches, each with its weight."""
    if isinstance(r, IntegerConv):
        for k in range(r.taps):
            i = j - k + r.taps // 2
            if 0 <= i < r.size:
                yield i, int(r.kernels[head, k, i])
    elif isinstance(r, IntegerDense):
        yield from enumerate(r.matrices[head, :, j].tolist())
    elif r.kind == "synaptic_delay":
        yield head, int(r.weights[head, j])
    else:
        kernels = getattr(r.form, "kernels", None) or [r.weights]
        kernel = np.asarray(kernels[head])
        kernel = kernel if kernel.ndim == 4 else kernel[:, :, None]
        maps, places = r.form.maps, [j]
        if getattr(r.form, "edges", "zero") == "circular":
            places = np.flatnonzero(circular.neurons(maps) == j).tolist()
            maps = circular.wider(maps)
        for place in places:
            yield from reached(maps, kernel, place)


class Scalar:
    """The C semantics in plain Python: event-driven, one stream, a calendar of arrivals.

    order: how the events of a step are shuffled.
    """

    def __init__(self, network: IntegerNetwork, order: np.random.Generator | None = None) -> None:
        self.network, self.order, self.t = network, order, 0
        self.state = {p.name: [dict.fromkeys(p.states, 0)] * p.size for p in network.populations}
        self.due: dict[Any, list[tuple[int, int, int]]] = {}
        self.sent: dict[str, list[tuple[int, int]]] = {}

    def step(self, x: list[float]) -> list[int]:
        most, bits = self.network.max_input, self.network.input_bits
        low = 0 if bits is None else -most
        # Python's round is half to even
        whole = [round(max(min(v, most), low) * 2 ** (bits or 0)) for v in x]
        self.sent = {INPUT: [(j, u) for j, u in enumerate(whole) if u]}
        y: list[int] = []
        for p in self.network.populations:
            added = self._sums(p)
            if not p.fires:
                y += self._read_out(p, added)
                continue
            spikes, after = [], []
            for i, old in enumerate(self.state[p.name]):
                fires, new = scalar_neurons.step(p.model, i, added[i], old)
                spikes += [(i, 1)] * fires
                after.append(new)
            self.state[p.name], self.sent[p.name] = after, spikes
        for p, each in self.network.projections():
            if each.synapses.line is not None and self.network.closes_cycle(p, each):
                self._push(p, each, 1)
        self.t += 1
        return y

    def _push(self, p: Any, each: Any, first: int) -> None:
        for j, count in self.sent[each.source]:
            for head, delay in delays_of(each.synapses, j):
                key = (p.name, each.source, each.prefix, self.t + first + delay)
                self.due.setdefault(key, []).append((head, j, count))

    def _read_out(self, p: Any, added: list[int]) -> list[int]:
        """What y is made of."""
        out = p.readout
        if out.kind == "linear":
            return added
        if out.kind == "synaptic":
            new = []
            shares = (np.broadcast_to(own, p.size).tolist() for own in (out.alpha, out.beta))
            for s, a, alpha, beta in zip(self.state[p.name], added, *shares, strict=True):
                i = clamp(leak(s["i"], alpha) + a)
                enters = i if out.enters == "new" else s["i"]
                new.append({"i": i, "v": clamp(leak(s["v"], beta) + enters)})
            self.state[p.name] = new
            return [s["v"] for s in new]
        after = [int(b) if out.kind == "count" else 0 for b in p.bias]
        betas = [int(b) for b in np.broadcast_to(out.beta, p.size)]
        self.state[p.name] = [
            {"v": clamp(leak(s["v"], beta) + i32(a - b))}
            for s, beta, a, b in zip(self.state[p.name], betas, added, after, strict=True)
        ]
        return [i32(s["v"] + b) for s, b in zip(self.state[p.name], after, strict=True)]

    def _arriving(self, p: Any, each: Any) -> list[tuple[int, int, int]]:
        if each.synapses.line is None:
            events = [(0, j, count) for j, count in self.sent[each.source]]
        else:
            if not self.network.closes_cycle(p, each):
                self._push(p, each, 0)
            events = self.due.pop((p.name, each.source, each.prefix, self.t), [])
        return events if self.order is None else [events[i] for i in self._mixed(len(events))]

    def _mixed(self, n: int) -> Any:
        assert self.order is not None
        return self.order.permutation(n)

    def _sums(self, p: Any) -> list[int]:
        total = [int(b) for b in p.bias]
        for each in p.projections:
            maps = getattr(getattr(each.synapses, "form", None), "maps", None)
            own = [0] * (p.size if maps is None else int(np.prod(maps.sums)))
            for head, j, count in self._arriving(p, each):
                for i, w in met(each.synapses, head, j):
                    own[i] = i32(own[i] + i32(w * count))
            if maps is not None and maps.peak is not None:
                own = largest(maps, own)
            total = [
                i32(a + i32(b << each.synapses.shift)) for a, b in zip(total, own, strict=True)
            ]
        return total


class Narrow(Arrays):
    """In int32 alone, where sums wrap around and products of the leak are split."""

    def leak(self, v: Any, share: Any) -> Any:
        b = np.asarray(share, np.int32)
        return (v >> 15) * b + (((v & 32767) * b + 16384) >> 15)


def narrow_step(network: IntegerNetwork, x: Array, state: dict[str, Array]) -> dict[str, Array]:
    """The state after a step in int32 alone."""
    new: dict[str, Array] = {}
    now: dict[str, Array] = {INPUT: network.counts(x)}
    a = Narrow()
    for p in network.populations:
        current = p.current(network.lines(p, now, state)).astype(np.int32)
        own = {name: state[p.prefix + name] for name in p.states}
        if not p.fires:
            m = current if p.readout.form.bias_on_output else current + p.bias
            m = m + a.leak(own["v"], p.readout.beta)
            new[p.prefix + "v"] = np.clip(m, -LIMIT, LIMIT - 1)
            continue
        c = {k: np.asarray(v, np.int32) for k, v in p.model.constants.items()}
        m, level, held = p.model.membrane(a, c, current + p.bias, own)
        m, held = p.model.hold(a, c, m, own, held)
        fires = m >= level
        after = p.model.after(a, c, m, fires, held) | p.model.counted(a, c, fires, held)
        assert all(np.asarray(value).dtype == np.int32 for value in after.values())
        new |= {p.prefix + name: value for name, value in after.items()}
        now[p.name] = fires.astype(np.float64)
    return {**new, **network.after(now, state)}


def drawn(seed: int, numeric: str) -> IntegerNetwork:
    """A random network, often with weights, biases, thresholds and counts of odd sizes."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 24, 3).tolist()
    layers, inputs = [], sizes.pop()
    for n in sizes:
        size = 10.0 ** rng.uniform(-4, 4)
        delay = rng.integers(0, 4, n)
        back: Any = None
        if rng.random() < 0.4:
            back = DenseDelay(rng.normal(size=(n, n)) * size, delay)
        elif rng.random() < 0.6:
            back = ConvDelay(rng.normal(size=2 * rng.integers(0, 3) + 1) * size, delay)
        own = n if rng.random() < 0.3 else ()
        lif = Lif(
            rng.choice([0.0, 0.05, 0.7, 0.99, 1.0], own),
            10.0 ** rng.uniform(-2, 2, own),
            gain=rng.choice([1.0, 0.05]),
            fires=rng.choice(FIRES),
            reset=rng.choice(RESETS),
        )
        weight = rng.normal(size=(n, inputs)) * size * 10.0 ** rng.uniform(-3, 0, (n, 1))
        layers.append(Layer(weight, rng.normal(size=n), lif, back))
        inputs = n
    readout = LeakyReadout(rng.normal(size=(3, inputs)), rng.normal(size=3), rng.choice([0.5, 1.0]))
    most = int(rng.integers(1, 256))
    return quantise(Network(tuple(layers), readout, max_input=most), numeric)


def inputs_of(network: IntegerNetwork, seed: int, steps: int) -> Array:
    """Counts at their largest, at none, and between: (steps, inputs)."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, network.max_input + 1, (steps, network.inputs))
    x[rng.random(x.shape) < 0.3] = 0
    x[steps // 2 :] = np.where(rng.random(x[steps // 2 :].shape) < 0.8, network.max_input, 0)
    return x.astype(np.uint8)


def walk(
    network: IntegerNetwork, x: Array
) -> Iterator[tuple[dict[str, Array], list[Array], Array]]:
    """State, spikes and outputs after each step. x: (steps, batch, inputs)."""
    state = network.reset(x.shape[1])
    for row in x:
        fired: list[Array] = []
        y, state = network.step(row, state, [fired.append] * len(network.spiking))
        yield state, fired, y


def agree(network: IntegerNetwork, x: Array, order: np.random.Generator | None = None) -> int:
    """Asserts that the scalar loop does the same; returns the spikes. x: (steps, inputs)."""
    scalar, spikes = Scalar(network, order), 0
    units = np.concatenate([p.unit for p in network.readouts])
    for row, (state, fired, y) in zip(x, walk(network, x[:, None]), strict=True):
        want_y = np.float32(scalar.step([float(v) for v in row])) * units
        np.testing.assert_array_equal(y[0], want_y)
        for p, f in zip(network.spiking, fired, strict=True):
            assert np.flatnonzero(f[0]).tolist() == [j for j, _ in scalar.sent[p.name]]
            for name in p.states:
                have = state[p.prefix + name][0].tolist()
                assert have == [s[name] for s in scalar.state[p.name]]
            spikes += int(f.sum())
    return spikes


@pytest.mark.parametrize("numeric", INTEGER_MODES)
@pytest.mark.parametrize("name", cases.INTEGER)
def test_the_step_equals_a_scalar_loop_in_32_bits(name: str, numeric: str) -> None:
    case = cases.CASES[name]
    steps = 12 if "wide" in name else min(case.steps, 60)
    x = cases.counts(case, 1, steps)[:, 0]
    assert agree(quantise(cases.network(name), numeric), x) > 0


@given(st.integers(0, 10**6), st.sampled_from([*INTEGER_MODES]))
def test_nothing_overflows_and_the_order_of_events_is_free(seed: int, numeric: str) -> None:
    network = drawn(seed, numeric)
    agree(network, inputs_of(network, seed, 14), np.random.default_rng(seed))


@given(st.integers(0, 10**6), st.sampled_from([*INTEGER_MODES]))
def test_int32_arithmetic_gives_the_same_as_int64(seed: int, numeric: str) -> None:
    network = drawn(seed, numeric)
    x = np.stack([inputs_of(network, seed + k, 60) for k in range(4)], axis=1)
    narrow = network.reset(4)
    for row, (state, *_) in zip(x, walk(network, x), strict=True):
        narrow = narrow_step(network, row, narrow)
        for name, value in state.items():
            np.testing.assert_array_equal(narrow[name], value, name)


@given(st.integers(-LIMIT, LIMIT - 1), st.integers(0, ONE))
def test_all_forms_of_the_leak_agree(v: int, beta: int) -> None:
    want = int(integer_leak.leak(np.array([v], np.int64), beta)[0])
    assert leak(v, beta) == want
    if beta < ONE:  # the doubling high multiply of MVE and NEON, whose factor is beta * 2^16
        assert (2 * v * (beta << 16) + (1 << 31)) >> 32 == want
    assert abs(want - v * beta / ONE) <= 0.5
    assert abs(want) <= LIMIT


@given(st.lists(st.tuples(*[st.integers(-127, 127)] * 4, st.integers(1, 255)), max_size=400))
def test_two_lanes_of_a_word_hold_sums_of_bytes(events: list[tuple[int, ...]]) -> None:
    """The SWAR form of docs/integer.md: exact while the sums themselves fit in int16."""
    kept: list[tuple[int, ...]] = []
    sums = [0, 0, 0, 0]
    for *row, c in events:
        more = [s + q * c for s, q in zip(sums, row, strict=True)]
        if all(-(2**15) <= s < 2**15 for s in more):
            kept.append((*row, c))
            sums = more
    lanes, n = [0, 0], 0
    for o0, o1, o2, o3, c in kept:
        word = sum(o + 128 << 8 * k for k, o in enumerate((o0, o2, o1, o3)))
        for k in range(2):
            lanes[k] = (lanes[k] + c * (word >> 8 * k & 0x00FF00FF)) % 2**32
        n += c
    read: list[int] = []
    for lane in lanes:
        a = (lane - n * 0x00800080) % 2**32
        first = (a + 2**15) % 2**16 - 2**15
        read += [first, ((a - first >> 16) + 2**15) % 2**16 - 2**15]
    assert read == sums


def test_a_membrane_stops_at_its_lower_end() -> None:
    """beta = 1 and steady inhibition: the float membrane falls for ever."""
    layer = Layer(np.full((2, 1), -1.0), np.zeros(2), Lif(1.0))
    float_network = Network((layer,), LeakyReadout(np.ones((1, 2)), [1.0], 1.0), max_input=3)
    network = quantise(float_network, "int8")
    first = network.populations[0]
    assert first.model.clamps(first.bound(network.largest_of))
    other = quantise(cases.network("conv3"), "int8")
    assert not other.layers[0].model.clamps(other.layers[0].bound(other.largest_of))
    x = np.full((600, 1), 3, np.uint8)
    agree(network, x)
    *_, (state, *_) = walk(network, x[:, None])
    assert (state["l0_v"] == -LIMIT).all()
    assert (state["out_v"] == LIMIT - 1).all()


def test_counts_above_the_largest_are_taken_as_the_largest() -> None:
    network = quantise(cases.network("counts"), "int8")
    x = np.full((1, network.inputs), network.max_input, np.float32)
    y, _ = network.step(x, network.reset())
    more, _ = network.step(x * 8, network.reset())
    np.testing.assert_array_equal(y, more)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 3)), r"x has shape \[1, 3\]; \[batch, 14\] is required"),
        (np.full((1, 14), 0.5), "not a count; non-negative integers"),
        (np.full((1, 14), -1), "not a count"),
        (np.full((1, 14), np.nan), "not a count"),
    ],
)
def test_inputs_that_are_not_counts_are_refused(x: Array, message: str) -> None:
    network = quantise(cases.network("conv3"), "int16")
    with refusal(DataError, message, 3):
        network.step(x, network.reset())


def test_a_real_input_that_is_no_number_is_refused() -> None:
    network = quantise(cases.network("real"), "int16")
    with refusal(DataError, "x contains NaN; numbers are required", 3):
        network.step(np.full((1, 14), np.nan, np.float32), network.reset())


def test_what_cannot_be_is_refused() -> None:
    network = quantise(cases.network("mixed"), "int8")
    first, second, readout = network.populations
    _, conv = (p.synapses for p in second.projections)
    assert isinstance(conv, IntegerConv)
    options: dict[str, Any] = {"numeric": Numeric.INT8, "max_input": 2}
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (first, {"bias": first.bias[:0]}, "bias has shape"),
        (first, {"bias": first.bias.astype(float)}, "bias is float64; int32 is required"),
        (first, {"scale": -first.scale}, "scale holds a value that is not a positive number"),
        (first, {"fraction": 16}, "fraction is 16; allowed: 0 to 15"),
        (first, {"projections": second.projections}, "reach 32 neurons, there are 16"),
        (first, {"neuron": second.neuron}, r"threshold is int32\[32\]; int32 \[16\] is required"),
        (conv, {"kernel": conv.kernel[:2]}, "kernel has 2 taps; an odd number"),
        (conv, {"shift": 31}, "shift is 31"),
        (network, {"max_input": 0}, "max_input is 0; allowed: 1 to 255"),
        (network, {"dt_ms": 0}, "dt_ms is 0"),
        (network, {"labels": ("a",)}, "1 labels for 5 classes"),
        (network, {"numeric": Numeric.INT16}, "l0: weight is int8; int16 is required"),
        (readout.readout, {"decision": "vote"}, "unknown decision 'vote'"),
        (readout.readout, {"beta": ONE + 1}, "beta is 32769; allowed: 0 to 32768"),
    ]
    for part, change, message in wrong:
        with refusal(NetworkError, message, 3):
            replace(part, **change)
    with refusal(NetworkError, "the network has no readout", 3):
        IntegerNetwork.of([first], **options)
    with refusal(NetworkError, "the synapses from l0 take 16 values, it sends 0", 3):
        IntegerNetwork.of([second, readout], **options)
    with refusal(
        NetworkError, "l0: the weights from x have the shift 15; the fraction 1 is req", 3
    ):
        IntegerNetwork.of([replace(first, fraction=1), second, readout], **options)
    with refusal(NetworkError, "the fraction 15 less the 4 input_bits is required", 3):
        replace(network, input_bits=4, max_input=1)
    heavy = replace(first, bias=np.full(16, LIMIT - 1, np.int32))
    with refusal(NetworkError, r"l0: a step can add \d+ to a membrane; below 2\*\*30", 3):
        IntegerNetwork.of([heavy, second, readout], **options)
    with refusal(UnsupportedError, "unknown numeric 'int4'; allowed: int16, int8", 4):
        quantise(cases.network("conv3"), "int4")
    with refusal(DataError, "samples of 140 channels; to calibrate on", 3):
        quantise(cases.network("conv3"), "int8", read_samples("samples"))


def test_a_network_without_weights_is_quantised() -> None:
    silent = Layer(np.zeros((2, 3)), np.zeros(2), Lif(0.5))
    network = quantise(Network((silent,), LeakyReadout(np.zeros((1, 2)), [0.0], 0.5)), "int8")
    assert agree(network, np.full((5, 3), 31, np.uint8)) == 0


def test_the_state_is_that_of_the_float_network_in_whole_numbers() -> None:
    network = cases.network("mixed")
    integer = quantise(network, "int8")
    assert [(s.name, s.shape) for s in integer.state()] == [
        (s.name, s.shape) for s in network.state()
    ]
    state = integer.reset(3)
    _, new = integer.step(np.zeros((3, integer.inputs)), state)
    for name, value in state.items():
        assert new[name].dtype == value.dtype
        assert new[name].shape == value.shape


def test_sizes_of_the_bundled_network() -> None:
    """8 bits a weight; tables of bias, threshold, delay, kernel; rings of bit planes."""
    network = checkpoint.load("conv_delay_256")
    sizes = {n: quantise(network, n).sizes() for n in INTEGER_MODES}
    assert sizes["int8"]["weights"] == 256 * 140 + 256 * 256 + 20 * 256
    assert sizes["int16"]["weights"] == 2 * sizes["int8"]["weights"]
    assert sizes["int8"]["tables"] == 4 * 4 * 256 + 256 + 2 * 3 * 256 + 8 * 20
    assert sizes["int8"]["state"] == 4 + 4 * (2 * 256 + 20) + 32 * 256 // 8
