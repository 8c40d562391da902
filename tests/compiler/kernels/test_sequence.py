"""Kernels of many steps at a time give the outputs of one step at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures.avx512 import CPU, needs_bitalg
from fixtures.composers import composer, integer_composer
from fixtures.staged import artifact_here

from benchmarks.networks import Size, random_network
from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.network.grid import snap
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Layer, Network
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.session import Session
from delrec_compile.targets.schedule import Schedule

PAIRS = Schedule(4, 8, "movemask", "pairs", chunk=8, together=2)
WORDS = Schedule(
    16, 4, "words", "pairs", "biased", "halves", "planes", "history", chunk=8, tile=8, together=2
)
CHANGES = replace(WORDS, sums="changes", ahead=1)


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network(Size(neurons=32, inputs=9, outputs=4, delays=(1, 5), rate=0.2))


def test_only_the_sequence_kernel_goes_in_chunks() -> None:
    schedule = Schedule(4, 4, "scan", chunk=8)
    assert schedule.kernels == ("run", "trace", "sequence")
    assert body_of("run", schedule) is None
    assert body_of("trace", schedule) is None
    body = body_of("sequence", schedule)
    assert body is not None
    assert body.keywords == {"chunk": 8}  # type: ignore[attr-defined]


def test_steps_are_taken_together_where_inputs_come_in_pairs(network: Network) -> None:
    assert composer(network, PAIRS).together == 2
    assert composer(network, replace(PAIRS, together=1)).together == 1
    assert composer(network, replace(PAIRS, rows="units")).together == 1


@pytest.mark.parametrize("numeric", ["float32", "int16"])
def test_steps_together_have_the_bits_of_each_alone(
    numeric: str, network: Network, tmp_path: Path
) -> None:
    """Also where they are odd in number, in a chunk, and where nothing or everything is active."""
    artifact = artifact_here(network, "x86_64", tmp_path, numeric=numeric, schedule=PAIRS)
    source = network if numeric == "float32" else quantise(network, numeric)
    r = np.random.default_rng(5)
    fired = 0
    for steps in (4, 5, 8, 9, 15, 16, 17, 24, 31):
        x = (r.random((steps, 3, 9)) < 0.4) * r.integers(1, 9, (steps, 3, 9)).astype(np.float32)
        x[: steps // 3, 1], x[:, 2] = 0, x[:, 2] * (np.arange(steps) % 2)[:, None]
        want = ReferenceRunner(source).trace(x)
        np.testing.assert_array_equal(Session(artifact).outputs_of(x), want.y)
        fired += sum(int(spikes.sum()) for spikes in want.spikes)
    assert fired > 500


def deeper(network: Network) -> Network:
    """The network with a layer without delays behind its last one, and before it."""
    r = np.random.default_rng(3)
    last = network.layers[-1]
    n = len(last.bias)

    def plain() -> Layer:
        weight = (r.standard_normal((n, n)) * 0.3).astype(np.float32)
        return Layer(weight, last.bias * 0 + np.float32(0.5), last.neuron)

    first, *others = network.layers
    return snap(replace(network, layers=(first, plain(), *others, plain())))


@pytest.fixture(scope="module")
def wide() -> Network:
    return random_network(Size(neurons=128, inputs=21, outputs=5, delays=(0, 7), rate=0.3))


def test_sums_are_made_from_changes_of_one_population_in_whole_numbers(wide: Network) -> None:
    """Not of inputs, of populations that are not listed by words, or of float32 rows."""
    taken = composer(deeper(wide), CHANGES)
    assert [taken.takes_changes(i) for i in range(5)] == [False, True, True, True, True]
    for other in (WORDS, replace(CHANGES, rows="float32")):
        assert not composer(wide, other).takes_changes(1)
    small = random_network(Size(neurons=32, inputs=9, outputs=4, delays=(1, 5), rate=0.2))
    assert not composer(small, CHANGES).takes_changes(1)


@needs_bitalg
@pytest.mark.parametrize("numeric", ["float32", "int16", "int8"])
@pytest.mark.parametrize("rows", ["pairs", "joined", "units"])
def test_changes_give_the_bits_of_the_active_rows(
    numeric: str, rows: str, wide: Network, tmp_path: Path
) -> None:
    """Steps that are alike, silent, or active everywhere; with layers that no delay reaches."""
    network = deeper(wide)
    silent = "skipped" if rows == "units" else "subtracted"
    schedule = replace(CHANGES, rows=rows, silent=silent)
    options = {"numeric": numeric, "schedule": schedule, "cpu": CPU}
    artifact = artifact_here(network, "x86_64", tmp_path, **options)  # type: ignore[arg-type]
    source = network if numeric == "float32" else quantise(network, numeric)
    r = np.random.default_rng(5)
    fired = 0
    for steps in (3, 4, 8, 9, 17, 40):
        x = (r.random((steps, 3, 21)) < 0.2) * r.integers(1, 9, (steps, 3, 21)).astype(np.float32)
        x[: steps // 2, 1], x[steps // 3 :, 2] = 0, 31
        want = ReferenceRunner(source).trace(x)
        np.testing.assert_array_equal(Session(artifact).outputs_of(x), want.y)
        fired += sum(int(spikes.sum()) for spikes in want.spikes)
    assert fired > 5000


@pytest.mark.parametrize(
    ("numeric", "schedule", "crowds"),
    [
        ("int8", WORDS, True),
        ("int8", replace(WORDS, together=1), False),
        ("int8", replace(WORDS, rows="units", bytes="wide"), False),  # no rows are interleaved
        ("int16", WORDS, False),  # pairs, of whose inputs there is one list
    ],
)
def test_rows_of_bytes_are_read_for_two_steps_where_inputs_are_crowded(
    numeric: str, schedule: Schedule, crowds: bool, wide: Network
) -> None:
    made = integer_composer(quantise(deeper(wide), numeric), schedule)
    assert [made.crowds(i) for i in range(5)] == [crowds, False, False, False, False]
    assert made.together == (2 if numeric == "int16" else 1)


@needs_bitalg
@pytest.mark.parametrize("neurons", [128, 192, 256, 48])
@pytest.mark.parametrize("layers", [2, 1])
def test_crowded_inputs_give_the_bits_of_few(neurons: int, layers: int, tmp_path: Path) -> None:
    """Chunks of every density after each other, an odd number of steps in the last one.

    layers: of one, whose neurons have a recurrence, the sums are made before it.
    """
    network = random_network(Size(neurons=neurons, inputs=22, outputs=5, delays=(0, 7), rate=0.2))
    first, second = network.layers
    if layers == 1:
        own = replace(first, recurrence=second.recurrence)
        network = snap(replace(network, layers=(own,)))
    schedule = replace(CHANGES, tile=16, registers=16) if neurons == 256 else CHANGES
    if neurons % 64:
        schedule = replace(schedule, events="compress", sums="all")
    options = {"numeric": "int8", "schedule": schedule, "cpu": CPU}
    artifact = artifact_here(network, "x86_64", tmp_path, **options)  # type: ignore[arg-type]
    source, r = quantise(network, "int8"), np.random.default_rng(5)
    fired = 0
    for steps in (4, 5, 8, 16, 23, 41):
        density = r.choice([0, 0.1, 0.6, 0.75, 0.9, 1], (-(-steps // 8), 3, 1)).repeat(8, 0)
        x = (r.random((steps, 3, 22)) < density[:steps]) * r.integers(1, 31, (steps, 3, 22))
        want = ReferenceRunner(source).trace(x.astype(np.float32))
        got = Session(artifact).outputs_of(x.astype(np.float32))
        np.testing.assert_array_equal(got, want.y)
        fired += sum(int(spikes.sum()) for spikes in want.spikes)
    assert fired > 1000
