"""Many steps, many streams, many threads: all of them one and the same computation."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, EXACT, INTEGER, counts, network

from delrec_compile.data.samples import read_samples
from delrec_compile.errors import DataError
from delrec_compile.runners.session import Session

STEPS = 75  # two chunks of a sequence and a rest


@pytest.fixture(scope="module")
def x():
    return np.ascontiguousarray(read_samples("samples").counts[:5], np.float32)


def one_by_one(artifact, x):
    """Every stream alone, a step per call."""
    session, out = Session(artifact), []
    for stream in x:
        session.reset()
        out.append(np.concatenate([session.step(row).copy() for row in stream]))
    return np.stack(out)


def test_a_sequence_is_its_steps(artifacts, x):
    wanted = one_by_one(artifacts["conv_delay_256"], x)
    session = Session(artifacts["conv_delay_256"])
    for cut in (1, 3, 37, 64, 79):
        for b, stream in enumerate(x):
            session.reset()
            y = np.concatenate([session.run(stream[:cut]), session.run(stream[cut:])])
            assert np.array_equal(y, wanted[b])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_batch_is_its_streams(artifacts, x, threads):
    wanted = one_by_one(artifacts["conv_delay_256"], x)
    session = Session(artifacts["conv_delay_256"], streams=len(x), threads=threads)
    y = np.concatenate([session.run(x[:, :30]), session.run(x[:, 30:])], axis=1)
    assert np.array_equal(y, wanted)
    session.reset()
    steps = [session.step(x[:, t]).copy() for t in range(x.shape[1])]
    assert np.array_equal(np.concatenate(steps, axis=1), wanted)


@pytest.mark.parametrize(
    ("name", "numeric"),
    [*((n, "float32") for n in EXACT), *((n, "int8") for n in EXACT[::3] if n in INTEGER)],
)
def test_every_network_runs_its_sequence_as_its_steps(name, numeric, compiled):
    artifact = compiled(network(name), numeric=numeric).artifact
    x = np.ascontiguousarray(counts(CASES[name], 3, STEPS).transpose(1, 0, 2))
    wanted = one_by_one(artifact, x)
    assert np.abs(wanted).max() > 0
    assert np.array_equal(Session(artifact, streams=3).run(x), wanted)


def test_a_state_goes_to_another_stream(artifacts, x):
    one, many = (Session(artifacts["conv_delay_256"], streams=n) for n in (1, 3))
    wanted = one.run(x[0])
    one.reset()
    one.run(x[0, :33])
    kept = one.state()
    assert set(kept) == {v.name for v in one.artifact.manifest.state}
    many.load_state(kept, 2)
    y = many.run(np.ascontiguousarray(np.stack([x[0, 33:]] * 3)))
    assert np.array_equal(y[2], wanted[33:])
    assert not np.array_equal(y[1], y[2])
    many.reset(2)
    assert all(not v.any() for v in many.state(2).values())
    assert any(v.any() for v in many.state(1).values())


def test_what_does_not_fit_is_refused(artifacts, x):
    session = Session(artifacts["conv_delay_256"], streams=2)
    with pytest.raises(DataError, match=r"\[2, steps, 140\] is required"):
        session.run(x[0])
    with pytest.raises(DataError, match="stream 2 of 2"):
        session.state(2)
    state = session.state()
    with pytest.raises(DataError, match="needed: "):
        session.load_state({"clock": state["clock"]})
    state["clock"] = state["clock"].astype(np.int64)
    with pytest.raises(DataError, match="state 'clock' is"):
        session.load_state(state)
    with pytest.raises(DataError, match="threads is 0"):
        Session(artifacts["conv_delay_256"], threads=0)
    with pytest.raises(DataError, match="no trace"):
        session.trace(x.transpose(1, 0, 2))
