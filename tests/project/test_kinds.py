"""Pages of the kinds of networks: of every kind, and of the step as it is exported today."""

from __future__ import annotations

import json

import pytest

from benchmarks import kinds
from delrec_compile.ops.registry import SYNAPSES

COSTS = json.loads(kinds.RESULTS.read_text())["kinds"]


def test_every_recurrence_has_a_page() -> None:
    drawn = {type(kinds.structure(name).layers[1].recurrence) for name in kinds.KINDS}
    assert set(SYNAPSES.values()) <= drawn
    assert set(COSTS) == set(kinds.KINDS)


@pytest.mark.parametrize("name", kinds.KINDS)
def test_a_page_is_what_the_command_writes(name: str) -> None:
    """Measured costs are those of the results; everything else is made again."""
    assert (kinds.PAGES / f"{name}.md").read_text() == kinds.page(name, COSTS[name])
    assert kinds.structure(name).recurrent_parameters() == COSTS[name]["recurrent_parameters"]


def test_the_index_has_them_all() -> None:
    assert (kinds.PAGES / "README.md").read_text() == kinds.index(COSTS)


def test_a_picture_shows_state_in_and_out() -> None:
    lines = kinds.picture(kinds.structure("dense_delay")).splitlines()
    text = "\n".join(lines)
    assert '(["past_l1_hist 32x256"])' in text
    assert '["DenseDelay<br>' in text
    assert "past_l1_hist --> " in text
    assert 'out_present_l1_hist(["present_l1_hist"])' in text


def test_a_kind_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        kinds.main(["conv_relay"])
    assert "unknown kind 'conv_relay'; allowed: feed_forward, " in capsys.readouterr().err
