"""A recording is what the plain reference computes, and a planted spike is the first difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.manifests import typed

from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.data.events import Events
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.page.recording import (
    Recording,
    beside,
    compared,
    record,
    spikes_of,
)
from delrec_compile.network.model import Network
from delrec_compile.system import child


def test_it_is_the_reference(
    recording: Recording, network: Network, bundled_samples: Events
) -> None:
    counts = bundled_samples.counts[3].astype(np.float32)
    state, fired = network.reset(1), [[], []]
    for t, row in enumerate(counts):
        y, state = network.step(row[None], state, [f.append for f in fired])
        assert np.array_equal(y[0], recording.y[t])
    for spikes, want in zip(recording.spikes, fired, strict=True):
        assert np.array_equal(spikes, np.concatenate(want))
    for spikes, v, limit in zip(
        recording.spikes, recording.membranes, recording.thresholds, strict=True
    ):
        assert np.array_equal(spikes != 0, v >= limit)
    assert recording.label == bundled_samples.known_labels[3]
    assert recording.named(99) == "class 99"


def test_a_sample_that_is_not_there_is_refused(network: Network, bundled_samples: Events) -> None:
    with pytest.raises(UsageError, match="sample 100 is none of the 100; 0 is the first"):
        record(network, bundled_samples, 100)


def test_the_first_difference_is_found(recording: Recording) -> None:
    other = [s.copy() for s in recording.spikes]
    other[1][40, 7] ^= 1
    other[0][41, 2] ^= 1
    both = compared(recording, other)
    assert both.differing == 2
    assert both.first is not None
    first = both.first
    assert (first.population, first.step, first.neuron, first.sequence) == ("l1", 40, 7, 3)
    same = compared(recording, [s.copy() for s in recording.spikes])
    assert same.first is None
    assert same.differing == 0


def test_the_artifact_runs_on_the_sample(
    recording: Recording, network: Network, bundled_samples: Events, built: Path
) -> None:
    artifact = load_artifact(built)
    both = beside(recording, artifact, network, bundled_samples)
    assert both.engine == "native code"
    assert both.other is not None
    assert both.differing == 0
    in_process = spikes_of(str(artifact.path), "samples")["spikes"]
    assert len(in_process) == 2
    assert sum(map(len, in_process)) > 100


def test_code_that_cannot_run_here_is_said(
    recording: Recording, network: Network, bundled_samples: Events
) -> None:
    artifact = Artifact(Path("nowhere"), typed(machine="s390x"))
    alone = beside(recording, artifact, network, bundled_samples)
    assert alone.other is None
    assert alone.engine == "code for s390x is not run for this page"


def test_code_that_does_not_run_is_said_in_its_words(
    recording: Recording, network: Network, bundled_samples: Events, tmp_path: Path
) -> None:
    alone = beside(recording, Artifact(tmp_path, typed()), network, bundled_samples)
    assert alone.other is None
    assert alone.engine.startswith(f"its code was not run: {tmp_path}")


def test_a_population_may_stay_silent_there(
    recording: Recording,
    network: Network,
    bundled_samples: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = {"engine": "e", "spikes": [[], [[2, 5]]]}
    monkeypatch.setattr(child, "call", lambda *_, **__: answer)
    both = beside(recording, Artifact(Path("net"), typed()), network, bundled_samples)
    assert both.other is not None
    assert [int(s.sum()) for s in both.other] == [0, 1]
    assert both.other[1][2, 5] == 1
    assert [s.shape for s in both.other] == [s.shape for s in recording.spikes]
