"""Times of a step, and where they were taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.training import small, toy_sets

from delrec_compile.evaluation.claims import latency as timing
from delrec_compile.network import checkpoint
from delrec_compile.training.loop import train


def test_a_step_is_timed_in_both_forms(tmp_path: Path) -> None:
    pytest.importorskip("tvm")
    path = checkpoint.bundled()
    found = timing.latency(path, rounds=2)
    assert found["authors_form"] == "authors_conv_newest"
    assert found["authors_us_per_step"] > 10 * found["us_per_step"] > 0


def test_a_network_that_the_samples_do_not_fit_has_no_time(tmp_path: Path) -> None:
    pytest.importorskip("tvm")
    path = checkpoint.save(train(toy_sets(), small()).network, tmp_path / "net.safetensors")
    found = timing.latency(path, rounds=1)
    assert found["us_per_step"] is None
    assert "samples have 140 inputs per step, the network takes 12" in found["skipped"]
