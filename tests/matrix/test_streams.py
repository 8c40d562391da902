"""Many steps, many streams, many threads: all of them one and the same computation."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, EXACT, INTEGER, counts, network

from benchmarks.trust import endurance
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import DataError, ParityError
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.runners.memory import CLOCK_MASK
from delrec_compile.runners.session import SavedState, Session

TURN = 1024  # steps before the clock turns over: every ring divides it
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


def test_threads_share_a_batch_in_parts_of_several_streams(artifacts, x):
    """The last part is a smaller one. After `reset` every stream starts afresh."""
    many = np.ascontiguousarray(np.resize(x, (37, *x.shape[1:])))
    session = Session(artifacts["conv_delay_256"], streams=len(many), threads=2)
    wanted = np.resize(one_by_one(artifacts["conv_delay_256"], x), (37, x.shape[1], 20))
    assert np.array_equal(session.run(many), wanted)
    assert not np.array_equal(session.run(many), wanted)
    session.reset()
    assert np.array_equal(session.run(many), wanted)


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


@pytest.mark.parametrize(
    ("name", "target", "numeric"),
    [
        ("mixed", "x86_64", "float32"),
        ("mixed", "portable_c", "int8"),
        ("all_kinds", "x86_64", "int16"),
        ("all_kinds", "portable_c", "float32"),
    ],
)
def test_the_clock_turns_over(name, target, numeric, compiled):
    """Every ring divides its period: a stream that is so many steps old goes on as any other."""
    session = Session(compiled(network(name), target=target, numeric=numeric).artifact)
    x = np.ascontiguousarray(counts(CASES[name], 1, 40 + 2 * TURN)[:, 0])
    session.run(x[:40])
    young = session.state()
    wanted = session.run(x[40:])
    assert np.abs(wanted).max() > 0
    old = SavedState(young.source, young.items())
    old["clock"] = young["clock"] + (CLOCK_MASK + 1 - TURN)
    session.load_state(old)
    for cut in (TURN - 41, TURN - 40, TURN - 39):
        session.load_state(old)
        parts = [session.run(x[40 : 40 + cut]), session.run(x[40 + cut :])]
        np.testing.assert_array_equal(np.concatenate(parts), wanted)
        assert session.state()["clock"][0] == TURN + 40


def test_a_long_stream_is_one_in_every_engine(compiled, tmp_path, monkeypatch):
    """The short form of `python -m benchmarks.trust.endurance`."""
    monkeypatch.setattr(endurance, "CALL", 1_000)
    monkeypatch.setattr(endurance, "REFERENCE", 200)
    monkeypatch.setattr(endurance, "TURN", 4_096)
    mixed = network("mixed")
    built = [compiled(mixed, target=t, numeric="int8").artifact for t in ("x86_64", "portable_c")]
    told = endurance.measure(quantise(mixed, "int8"), built, 10_000, tmp_path)
    assert told["steps"] == 10_000
    assert len(told["engines"]) == 4
    assert told["outputs_not_0"] > 10_000
    other = compiled(network("odd_lif"), target="portable_c", numeric="int8").artifact
    with pytest.raises(ParityError, match="portable_c, session: the outputs of step"):
        endurance.measure(quantise(mixed, "int8"), [built[0], other], 2_000, tmp_path)
