"""The benchmark: that peers compute the same, that rows are complete, and the ratios it must show."""

import numpy as np
import pytest

from delrec_compile import checkpoint, peers
from delrec_compile.bench import NAMES, bench
from delrec_compile.errors import UsageError
from delrec_compile.run import read_words
from delrec_compile.session import Session


@pytest.fixture(scope="module")
def measured(artifacts):
    return bench(artifacts["conv_delay_256"], rounds=9)


def test_every_engine_is_a_row_with_its_ratio(measured):
    assert tuple(r.name for r in measured.rows) == NAMES
    ours = measured.rows[0]
    assert ours.ratio_to_ours == 1.0
    for row in measured.rows:
        assert row.us_per_step > 0
        assert row.ratio_to_ours == pytest.approx(row.us_per_step / ours.us_per_step)
    assert measured.workload["batch"] == 1
    assert 0 < measured.workload["hidden_rate"] < 0.5
    assert 0 < measured.workload["input_density"] < 0.5


def test_the_compiled_step_is_far_ahead_of_its_peers(measured):
    """Half of what `delrec-compile bench` shows, so that a busy machine does not fail it."""
    ratio = {r.name: r.ratio_to_ours for r in measured.rows}
    assert ratio["authors_dense"] > 125
    assert ratio["onnxruntime"] > 12
    assert ratio["authors_dense"] / ratio["ours_python"] > 50
    assert ratio["onnxruntime"] / ratio["ours_python"] > 6


@pytest.mark.parametrize("name", ["conv_delay_256", "dense_delay_256"])
def test_peers_compute_the_reference_on_their_network(name, artifacts):
    network = checkpoint.load(name)
    x = read_words("words").counts[11].astype(np.float32)
    want = peers.TorchEager(network).word(x)
    assert np.abs(want).max() > 0
    kind = {"conv_delay_256": "authors_conv", "dense_delay_256": "authors_dense"}[name]
    session = Session(artifacts[name])
    made = (
        peers.Ours(session),
        peers.OursPython(session),
        peers.Authors(network, kind),
        peers.OnnxRuntime(network),
    )
    for peer in made:
        assert np.array_equal(peer.word(x), want), peer.name
        assert np.array_equal(peer.word(x), want), f"{peer.name}, second word"
    assert np.allclose(peers.TvmDefault(network).word(x), want, atol=1e-4)


def test_unknown_rows_are_refused(artifacts):
    with pytest.raises(UsageError, match="unknown peer 'onnx'"):
        bench(artifacts["conv_delay_256"], rows=("onnx",))
    with pytest.raises(UsageError, match="at least 1"):
        bench(artifacts["conv_delay_256"], rounds=0)
