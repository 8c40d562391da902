"""The window over past spikes reads what the delay line gives."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
from fixtures.baselines import STEP

from delrec_compile.evaluation.baselines import window
from delrec_compile.evaluation.baselines.baseline import Workload


def test_a_window_reads_what_the_delay_line_says():
    network = cases.network("both_layers")
    layer = next(la for la in network.layers if la.recurrence is not None)
    history = window.History(layer, STEP)
    r = np.random.default_rng(0)
    spikes = (r.random((80, layer.size)) < 0.3).astype(np.float32)
    history.spikes[:] = spikes
    t = 60
    read = history.window(t).ravel()[history.at()].reshape(history.taps, -1)
    middle = read[history.taps // 2]
    late = spikes[t - 1 - layer.recurrence.delay, np.arange(layer.size)]
    assert np.array_equal(middle, late)


def test_steps_before_the_first_delay_are_known_at_once() -> None:
    network = cases.network("delay_255")
    slack = replace(network.layers[1].recurrence, delay=np.full(18, 6, np.int32))
    layer = replace(network.layers[1], recurrence=slack)
    assert window.History(layer, Workload("step", 1, 30)).ahead == 1
    history = window.History(layer, Workload("sequence", 1, 30))
    assert (history.ahead, history.chunks) == (7, 5)
    assert len(history.rows) == layer.recurrence.depth + 35
    assert history.spikes.shape == (30, 18)


def test_taps_beyond_the_neurons_read_a_pad() -> None:
    layer = cases.network("conv3").layers[1]
    history = window.History(layer, Workload("step", 1, 4))
    history.spikes[:] = 1
    read = history.window(3).ravel()[history.at()].reshape(3, -1)
    assert read[0, 0] == 0
    assert read[2, -1] == 0


def test_a_layer_without_recurrence_has_no_past() -> None:
    history = window.History(cases.network("conv3").layers[0], Workload("batch", 3, 9))
    assert history.weight is None
    assert history.rows.shape == (9, 20, 3)
