"""The benchmark on a GPU: what needs none."""

import numpy as np
import pytest

from delrec_compile.data.events import Events
from delrec_compile.evaluation.latency import gpu
from delrec_compile.evaluation.latency.result import spread


def test_rows_have_the_spread_of_every_other_benchmark() -> None:
    times = {"ours": [1.0, 1.2, 1.1, 9.0], "torch_graph": [10.0, 11.0, 12.0, 13.0]}
    ours, graph = gpu._rows(64, times)
    assert (ours.name, graph.name) == ("ours@64", "torch_graph@64")
    assert ours.spread == spread(times["ours"])
    assert ours.spread != pytest.approx((9.0 - 1.0) / 1.15)  # not the range
    assert graph.ratio_to_ours == pytest.approx(11.5 / 1.15)


def test_a_batch_repeats_the_samples() -> None:
    counts = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    x = gpu._batch(Events(counts, np.zeros(2, np.int64), None, None, 10.0), 5)
    assert x.shape == (3, 5, 4)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[:, 4], counts[0])
    np.testing.assert_array_equal(x[:, 3], counts[1])
