"""Checks in an emulator end in a minute or so, fire, and say what they leave out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.data.events import Events, save_samples
from delrec_compile.evaluation import excerpt as module
from delrec_compile.evaluation import parity, proof
from delrec_compile.evaluation.excerpt import excerpt
from delrec_compile.network.grid import snap
from delrec_compile.network.model import Network
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.runners.emulated.pace import Pace
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Trace

pytestmark = pytest.mark.usefixtures("children_here")

STEPS = 40


class Slow:
    """An emulator, by its pace. timed: the inputs that it was timed with."""

    name = "slow"

    def __init__(self, network: Network, pace: Pace) -> None:
        self.network, self._pace, self.every = network, pace, 1
        self.timed: list[F32] = []

    def pace(self, x: F32) -> Pace:
        self.timed.append(x)
        return self._pace

    def trace(self, x: F32) -> Trace:
        return ReferenceRunner(self.network).trace(x)


@pytest.fixture(scope="module")
def network() -> Network:
    """One that fires on input, and only then."""
    given = cases.network("feed_forward")
    layers = tuple(
        replace(x, weight=np.abs(x.weight), bias=np.zeros_like(x.bias)) for x in given.layers
    )
    return snap(replace(given, layers=layers))


def events(network: Network, *first: int) -> Events:
    """Samples of STEPS steps, empty before the step that is given, all full from there on."""
    counts = np.zeros((len(first), STEPS, network.inputs), np.uint8)
    for sample, step in zip(counts, first, strict=True):
        sample[step:] = 1
    return Events(counts, np.zeros(len(first), np.int64), None, None, network.dt_ms)


@pytest.mark.parametrize(
    ("seconds", "first", "start", "ran", "every"),
    [
        (0.1, (0, 0, 0), 0, (3, STEPS), 1),
        (0.6, (0, 0, 0), 0, (2, STEPS), 1),
        (2.0, (0, 0, 0), 0, (1, 30), 1),
        (9.0, (0, 0, 0), 0, (1, 20), 1),  # never fewer
        (0.6, (STEPS, 0, 0), 1, (2, STEPS), 1),  # from the first that fires
        (0.6, (STEPS, STEPS, 0), 1, (2, STEPS), 1),
        (2.0, (STEPS, STEPS, 0), 2, (1, 30), 1),
        (9.0, (STEPS, STEPS, STEPS), 0, (1, 20), 1),
    ],
)
def test_what_runs(
    seconds: float,
    first: tuple[int, ...],
    start: int,
    ran: tuple[int, int],
    every: int,
    network: Network,
) -> None:
    samples, runner = events(network, *first), Slow(network, Pace(seconds))
    part = excerpt(network, runner, samples)
    assert (len(part.samples), part.samples.steps) == ran
    assert (part.start, runner.every) == (start, every)
    np.testing.assert_array_equal(
        part.samples.counts, samples.counts[start : start + ran[0], : ran[1]]
    )
    assert (part.samples.labels is None) == (ran[1] < STEPS)
    assert bool(part.remark) == (ran != (3, STEPS))


def test_it_lasts_until_a_neuron_has_fired(network: Network) -> None:
    runner, samples = Slow(network, Pace(9.0)), events(network, 30, 0)
    part = excerpt(network, runner, samples)
    assert 30 < part.samples.steps <= STEPS
    assert part.remark.startswith(f"1 of 2 samples, the first {part.samples.steps} of 40 steps: ")
    assert "--limit 2 runs all" in part.remark
    (timed,) = runner.timed  # the busiest steps
    assert timed.shape == (module.TIMED, 1, network.inputs)
    assert timed.all()
    found = parity.compare(network, runner, part.samples)
    assert (found.passed, found.steps, found.accuracy) == (True, part.samples.steps, None)


def test_counting_is_thinned_before_steps_are_left_out(network: Network) -> None:
    runner = Slow(network, Pace(0.1, 2.0))
    assert excerpt(network, runner, events(network, 0, 0)).remark == ""
    assert runner.every == 4
    assert excerpt(network, runner, events(network, 0, 0), counted=False).remark == ""
    assert runner.every == STEPS


def test_all_of_what_is_asked_for_runs_on_any_runner(network: Network) -> None:
    samples, slow = events(network, 0, 0), Slow(network, Pace(100.0))
    assert excerpt(network, slow, samples, whole=True).samples is samples
    assert excerpt(network, ReferenceRunner(network), samples).samples is samples
    assert slow.timed == []


@pytest.fixture(scope="module")
def artifact(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    stage = tmp_path_factory.mktemp("excerpt")
    return artifact_here(network, "cortex_m4", stage, numeric="int8")


def save(file: Path, samples: Events) -> Path:
    save_samples(file, samples)
    return file


def proven(artifact: Artifact, file: Path, limit: int | None = None) -> dict[str, Any]:
    """The proof in an emulator, as its child process makes it."""
    return proof.emulated(str(artifact.path), str(file), limit)


@pytest.fixture
def here(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """The artifact, which is not packed: its folder is not read again."""
    for place in (proof, parity):
        monkeypatch.setattr(place, "load_artifact", lambda _: artifact)
    return artifact


def test_a_proof_in_an_emulator_is_shortened(
    here: Artifact, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save(tmp_path / "samples.npz", events(network, STEPS, 0, 1))
    whole = proven(here, file)
    assert (whole["check"]["sequences"], whole["check"]["steps"]) == (3, STEPS)
    assert (whole["check"]["remark"], whole["counted_every"]) == ("", 1)
    monkeypatch.setattr(EmulatedRunner, "pace", lambda *_: Pace(10.0, 100.0))
    short = proven(here, file)
    assert (short["check"]["sequences"], short["check"]["steps"]) == (1, 20)
    assert short["check"]["passed"]
    assert any(short["check"]["firing"]["fired"])
    assert short["check"]["remark"].startswith("1 of 3 samples, the first 20 of 40 steps: ")
    assert short["counted_every"] == 10
    assert short["instructions_per_step"] > 100
    limited = proven(here, file, limit=2)
    assert (limited["check"]["sequences"], limited["check"]["steps"]) == (2, STEPS)
    found = parity.check(here.path, file)
    assert (found.sequences, found.steps) == (1, 20)
    assert parity.check(here.path, file, limit=2).sequences == 2


def test_a_shortened_proof_without_a_spike_says_so(
    here: Artifact, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 1e-4)
    file = save(tmp_path / "quiet.npz", events(network, STEPS, STEPS))
    for found in (proven(here, file)["check"], parity.check(here.path, file).as_dict()):
        assert found["agrees"]
        assert not found["passed"]
        assert found["remark"]
        assert "no neuron fired in 1 samples of 20 steps" in proof.describe_difference(found)
