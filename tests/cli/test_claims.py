"""delrec-compile claims of a folder of data."""

from __future__ import annotations

import json

import pytest
from fixtures.command import ok, refused


def test_claims_of_a_folder(tmp_path, tiny_data):
    arguments = ("claims", tiny_data, "--variants", "conv_delay", "--quick", "--no-latency")
    arguments += ("--cache", tmp_path / "cache", "--markdown", tmp_path / "claims.md")
    told = json.loads(ok(*arguments, "--json"))
    assert told["schema"] == "delrec.claims/1"
    (row,) = told["rows"]
    assert (row["kind"], row["seeds"], row["recurrent_parameters"]) == ("conv_delay", 1, 259)
    assert row["saving"] == pytest.approx(1 - 259 / 65792)
    assert told["trained"] == 1
    assert "0 trainings" in ok(*arguments)
    assert "| conv_delay | 259 | 99.6 % |" in (tmp_path / "claims.md").read_text()
    assert "unknown variant 'convdelay'" in refused(
        2, "claims", tiny_data, "--variants", "convdelay"
    )
