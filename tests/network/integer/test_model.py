"""The integer form: one meaning in every arithmetic, no overflow, near to the float network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cases
import numpy as np
import pytest
from helpers import refusal
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from delrec_compile.aliases import INTEGER_MODES
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import DataError, NetworkError, UnsupportedError
from delrec_compile.network import checkpoint
from delrec_compile.network.integer.layers import LIMIT, ONE, leak
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.integer.synapses import IntegerConv, IntegerDense, IntegerLinear
from delrec_compile.network.model import ConvDelay, DenseDelay, Layer, Lif, Network
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.lif import FIRES, RESETS
from delrec_compile.ops.maps import Maps

Array = NDArray[Any]
LOW, HIGH = -(2**31), 2**31 - 1


def i32(value: int) -> int:
    """What C would compute, and not more than it can."""
    assert LOW <= value <= HIGH
    return value


def scalar_leak(v: int, beta: int) -> int:
    """In 32 bits only: two products whose factors are short."""
    return i32(i32((v >> 15) * beta) + (i32(i32((v & 32767) * beta) + 16384) >> 15))


def reached(maps: Maps, kernel: Array, j: int) -> Iterator[tuple[int, int]]:
    """The neurons that input j of a convolution reaches, each with its weight."""
    c, rest = divmod(j, maps.height * maps.width)
    (outputs, high, wide), channels = maps.out, maps.channels // maps.groups
    for o, a, b in np.ndindex(outputs, *kernel.shape[2:]):
        y, x = divmod(rest, maps.width)
        (y, down), (x, right) = (
            divmod(place + pad - tap, step)
            for place, pad, tap, step in zip((y, x), maps.pad, (a, b), maps.stride, strict=True)
        )
        group = o // (outputs // maps.groups)
        if not down and not right and 0 <= y < high and 0 <= x < wide and group == c // channels:
            yield (o * high + y) * wide + x, int(kernel[o, c % channels, a, b])


def arrivals_of(r: Any, j: int) -> Iterator[tuple[int, int]]:
    """Which part of the weights a spike of j meets, and after which delay."""
    if isinstance(r, IntegerLinear) and r.kind == "synaptic_delay":
        yield from enumerate(r.form.delay[:, j].tolist())  # type: ignore[attr-defined]
    elif isinstance(r, IntegerLinear) and not isinstance(r, IntegerDense):
        yield from enumerate(r.form.lags)  # type: ignore[attr-defined]
    else:
        yield from enumerate(r.line.delay[:, j].tolist())


def met(r: Any, head: int, j: int) -> Iterator[tuple[int, int]]:
    """The neurons that an arriving spike of j reaches, each with its weight."""
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
        yield from reached(r.form.maps, np.asarray(r.form.kernels[head]), j)


class Scalar:
    """The C semantics in plain Python: event-driven, one stream, a calendar of arrivals.

    order: how the events of a step are shuffled.
    """

    def __init__(self, network: IntegerNetwork, order: np.random.Generator | None = None) -> None:
        self.network, self.order, self.t = network, order, 0
        self.v = [[0] * layer.size for layer in network.layers]
        self.out = [0] * network.outputs
        self.due: list[dict[int, list[tuple[int, int]]]] = [{} for _ in network.layers]
        self.fired: list[list[int]] = []

    def step(self, counts: list[int]) -> list[int]:
        events = [(j, min(c, self.network.max_input)) for j, c in enumerate(counts) if c > 0]
        self.fired = []
        for n, layer in enumerate(self.network.layers):
            arrivals = self.due[n].pop(self.t, [])
            added = self._sums(layer, self._shuffled(events), self._shuffled(arrivals))
            spikes = []
            for i in range(layer.size):
                old, threshold = self.v[n][i], int(layer.threshold[i])
                kept = scalar_leak(old, int(np.broadcast_to(layer.beta, layer.size)[i]))
                if layer.reset == "soft_later" and old >= threshold:
                    kept = i32(kept - int(layer.drop[i]))
                m = i32(kept + added[i])
                fires = m >= threshold
                if layer.reset == "hard":
                    self.v[n][i] = max(int(layer.v_reset[i]) if fires else m, -LIMIT)
                else:
                    m -= int(layer.drop[i]) if fires and layer.reset == "soft" else 0
                    self.v[n][i] = min(max(i32(m), -LIMIT), LIMIT - 1)
                spikes += [i] * fires
            for j in spikes if layer.recurrence is not None else []:
                for head, delay in arrivals_of(layer.recurrence, j):
                    self.due[n].setdefault(self.t + 1 + delay, []).append((head, j))
            self.fired.append(spikes)
            events = [(j, 1) for j in spikes]
        self.t += 1
        return self._read_out(self._sums(self.network.readout, self._shuffled(events), []))

    def _read_out(self, added: list[int]) -> list[int]:
        """What y is made of."""
        out = self.network.readout
        if out.kind == "linear":
            return added
        after = [int(b) if out.kind == "count" else 0 for b in out.bias]
        self.out = [
            min(max(i32(scalar_leak(v, out.beta) + i32(a - b)), -LIMIT), LIMIT - 1)
            for v, a, b in zip(self.out, added, after, strict=True)
        ]
        return [i32(v + b) for v, b in zip(self.out, after, strict=True)]

    def _shuffled(self, events: list[Any]) -> list[Any]:
        return events if self.order is None else [events[i] for i in self._mixed(len(events))]

    def _mixed(self, n: int) -> Any:
        assert self.order is not None
        return self.order.permutation(n)

    def _sums(self, part: Any, events: list[Any], arrivals: list[Any]) -> list[int]:
        r, maps = (getattr(part, name, None) for name in ("recurrence", "maps"))
        acc, back = [0] * part.size, [0] * part.size
        for j, c in events:
            for i, w in reached(maps, part.weight, j) if maps else enumerate(part.weight[:, j]):
                acc[i] = i32(acc[i] + i32(int(w) * c))
        for head, j in arrivals:
            for i, w in met(r, head, j):
                back[i] = i32(back[i] + w)
        shift = 0 if r is None else r.shift
        return [
            i32(i32(i32(a << part.fraction) + int(b)) + i32(c << shift))
            for a, b, c in zip(acc, part.bias, back, strict=True)
        ]


def narrow_step(network: IntegerNetwork, x: Array, state: dict[str, Array]) -> dict[str, Array]:
    """The step in int32 alone, with products that wrap around where they overflow."""
    new: dict[str, Array] = {}
    s = np.minimum(x, network.max_input).astype(np.int32)

    def kept(v: Array, beta: int | Array) -> Array:
        b = np.asarray(beta, np.int32)
        return np.asarray((v >> 15) * b + (((v & 32767) * b + 16384) >> 15))

    for i, layer in enumerate(network.layers):
        m = kept(state[f"l{i}_v"], layer.beta)
        if layer.reset == "soft_later":
            m = m - np.where(state[f"l{i}_v"] >= layer.threshold, layer.drop, np.int32(0))
        m = m + layer.bias
        m = m + (s @ layer.weight.T.astype(np.int32) << np.int32(layer.fraction))
        r = layer.recurrence
        if r is not None:
            hist = state[f"l{i}_hist"]
            g = hist[:, r.line.delay, np.arange(r.size)].astype(np.int32)
            if isinstance(r, IntegerDense):
                m = m + (g[:, 0] @ r.weights.T.astype(np.int32) << np.int32(layer.fraction))
            else:
                pad = r.taps // 2
                wide = np.pad(g, ((0, 0), (0, 0), (pad, pad)))
                for head, kernel in enumerate(r.kernels.astype(np.int32)):
                    for k, row in enumerate(kernel):
                        m = m + (row * wide[:, head, k : k + r.size] << np.int32(r.shift))
        fires = m >= layer.threshold
        s = fires.astype(np.int32)
        if layer.reset == "hard":
            new[f"l{i}_v"] = np.maximum(np.where(fires, layer.v_reset, m), np.int32(-LIMIT))
        else:
            less = m - layer.drop if layer.reset == "soft" else m
            new[f"l{i}_v"] = np.clip(np.where(fires, less, m), -LIMIT, LIMIT - 1)
        if r is not None:
            new[f"l{i}_hist"] = np.concatenate([fires[:, None], hist[:, :-1]], axis=1)
    out = network.readout
    m = s @ out.weight.T.astype(np.int32) << np.int32(out.fraction)
    if out.has_membrane:
        m = m + kept(state["out_v"], out.beta)
        m = m if out.kind == "count" else m + out.bias
        assert m.dtype == np.int32
        new["out_v"] = np.clip(m, -LIMIT, LIMIT - 1)
    return new


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
        y, state = network.step(row, state, [fired.append] * len(network.layers))
        yield state, fired, y


def agree(network: IntegerNetwork, x: Array, order: np.random.Generator | None = None) -> int:
    """Asserts that the scalar loop does the same; returns the spikes. x: (steps, inputs)."""
    scalar, spikes = Scalar(network, order), 0
    for row, (state, fired, y) in zip(x, walk(network, x[:, None]), strict=True):
        want_y = np.float32(scalar.step([int(c) for c in row])) * network.readout.unit
        np.testing.assert_array_equal(y[0], want_y)
        for i, (f, want) in enumerate(zip(fired, scalar.fired, strict=True)):
            assert np.flatnonzero(f[0]).tolist() == want
            assert state[f"l{i}_v"][0].tolist() == scalar.v[i]
            spikes += len(want)
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
    want = int(leak(np.array([v], np.int64), beta)[0])
    assert scalar_leak(v, beta) == want
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
    assert network.layers[0].clamps(3)
    assert not quantise(cases.network("conv3"), "int8").layers[0].clamps(2)
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


def test_what_cannot_be_is_refused() -> None:
    network = quantise(cases.network("mixed"), "int8")
    first, second = network.layers
    conv = second.recurrence
    assert isinstance(conv, IntegerConv)
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (first, {"weight": first.weight.astype(np.int32)}, "weight is int32; int8 or int16"),
        (first, {"weight": first.weight[0]}, r"weight has shape \[14\]; \[any, any\]"),
        (first, {"bias": first.bias[:3]}, r"bias has shape \[3\]; \[16\] is required"),
        (first, {"bias": first.bias.astype(float)}, "bias is float64; int32 is required"),
        (first, {"scale": -first.scale}, "scale holds a value that is not a positive number"),
        (first, {"beta": ONE + 1}, "beta is 32769; allowed: 0 to 32768"),
        (first, {"beta": 0.5}, "beta is 0.5; an integer"),
        (first, {"fraction": 16}, "fraction is 16; allowed: 0 to 15"),
        (first, {"v_reset": first.threshold}, r"v_reset\[0\] = .* is not below threshold"),
        (first, {"threshold": first.threshold * 0 + LIMIT}, r"threshold\[0\] is .*below 2\*\*30"),
        (first, {"recurrence": conv}, "recurrence has 32 delays, the layer 16"),
        (first, {"weight": first.weight.astype(np.int16)}, "must share a type"),
        (conv, {"kernel": conv.kernel[:2]}, "kernel has 2 taps; an odd number"),
        (conv, {"shift": 31}, "shift is 31"),
        (network, {"layers": ()}, "has no layer"),
        (network, {"layers": (first,)}, "layer 0 sends 16 values, the next one takes 32"),
        (network, {"max_input": 0}, "max_input is 0; allowed: 1 to 255"),
        (network, {"dt_ms": 0}, "dt_ms is 0"),
        (network, {"labels": ("a",)}, "1 labels for 5 classes"),
        (network, {"numeric": "int16"}, "layer 0: weight is int8; int16 is required"),
        (network.readout, {"decision": "vote"}, "unknown decision 'vote'"),
    ]
    for part, change, message in wrong:
        with refusal(NetworkError, message, 3):
            replace(part, **change)
    heavy = replace(first, bias=np.full(16, LIMIT - 1, np.int32))
    with refusal(NetworkError, r"layer 0: a step can add \d+ to a membrane; below 2\*\*30", 3):
        replace(network, layers=(heavy, second))
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
