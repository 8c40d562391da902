"""Synapses with delays as one matrix. Each kind's own test checks a step of it: `check_forms`."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.ops import grid

from delrec_compile.network import lagged as module
from delrec_compile.network.lagged import Forms, Lagged, lagged
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.synapses import Synapses
from delrec_compile.ops.synaptic_delay import SynapticDelay

STEPS, SAMPLES, SOURCES = 9, 4, 6


def drawn(kind: str) -> Synapses:
    r = np.random.default_rng(3)
    delay = r.integers(0, 12, SOURCES).astype(np.int32)  # some longer than the sample
    delay[:2] = 0, 11
    if kind == "conv":
        return ConvDelay(grid(r, 3), delay)
    if kind == "heads":
        return DenseDelay(grid(r, 2, 5, SOURCES), np.stack([delay, delay[::-1]]))
    return SynapticDelay(grid(r, 5, SOURCES), r.integers(0, 12, (5, SOURCES)).astype(np.int32))


def formed(synapses: Synapses) -> Lagged:
    form = lagged(synapses)
    assert form is not None
    return form


@pytest.mark.parametrize("kind", ["conv", "heads", "synaptic"])
def test_all_steps_have_the_currents_of_the_reference(kind: str) -> None:
    r, synapses = np.random.default_rng(4), drawn(kind)
    sent = (r.random((STEPS, SAMPLES, SOURCES)) < 0.5).astype(np.float32)
    late = np.concatenate([np.zeros((synapses.depth - 1, SAMPLES, SOURCES), np.float32), sent])
    form, have = formed(synapses), formed(synapses).currents(sent)
    by_neuron = np.ascontiguousarray(late.transpose(0, 2, 1))
    for t in range(STEPS):
        line = late[t : t + synapses.depth][::-1].swapaxes(0, 1)
        want = synapses.reference(line)
        assert np.array_equal(have[t], want)
        assert np.array_equal(form.current(by_neuron, t + synapses.depth - 1), want)
    assert have.any(axis=(1, 2))[1:].all()


def test_a_neuron_is_read_once_for_each_lag_of_its_own() -> None:
    form = formed(drawn("heads"))
    pairs = {*zip(form.lag.tolist(), form.source.tolist(), strict=True)}
    assert len(pairs) == len(form.lag) == len(form.matrix) <= 2 * SOURCES
    assert (np.diff(form.lag) >= 0).all()


def test_silent_synapses_give_no_current() -> None:
    form = formed(DenseDelay(np.zeros((5, SOURCES), np.float32), np.arange(SOURCES)))
    assert not len(form.lag)
    sent = np.ones((STEPS, SAMPLES, SOURCES), np.float32)
    assert np.array_equal(form.currents(sent), np.zeros((STEPS, SAMPLES, 5), np.float32))
    now = form.current(np.ones((STEPS, SOURCES, SAMPLES), np.float32), STEPS - 1)
    assert np.array_equal(now, np.zeros((SAMPLES, 5), np.float32))


@pytest.mark.parametrize("limit", ["LARGEST_LINES", "LARGEST_MATRIX"])
def test_what_is_too_large_has_no_such_form(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, limit, 8)
    assert lagged(drawn("heads")) is None


def test_a_large_matrix_of_few_weights_is_left_to_the_reference() -> None:
    r, n = np.random.default_rng(5), 1000
    delay = r.integers(0, 3, n).astype(np.int32)
    few, all_ = ConvDelay(grid(r, 3), delay), DenseDelay(grid(r, n, n) + 2, delay)
    forms = Forms()
    assert forms.of_steps(few) is None
    assert forms.of_steps(all_) is not None
    small = drawn("conv")
    assert forms.of_steps(small) is forms.of(small) is not None


def test_forms_read_the_weights_of_today() -> None:
    synapses = drawn("heads")
    before = formed(synapses).matrix.copy()
    synapses.weight[:] = 0  # type: ignore[attr-defined]
    assert before.any()
    assert not formed(synapses).matrix.any()
