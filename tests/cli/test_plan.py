"""What --dry-run prints."""

from __future__ import annotations

import json

import pytest
import typer

from delrec_compile.cli.plan import show_plan
from delrec_compile.network.plan import Plan, PlannedPart

GOOD = PlannedPart("fc", "Linear", "product 4 -> 8")
BAD = PlannedPart("pool", "MaxPool2d", refused="networks have no MaxPool2d", instead="AvgPool2d")


def test_a_plan_without_refusals_lists_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    show_plan("import", Plan("m:net", "snnTorch", (GOOD,), ("in float32",)), False)
    out = capsys.readouterr().out
    assert all(word in out for word in ("m:net", "fc", "Linear", "4 -> 8", "note: in float32"))
    assert "refused because" not in out


def test_a_refused_part_is_exit_4_in_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan("m:net", "snnTorch", (GOOD, BAD))
    with pytest.raises(typer.Exit) as left:
        show_plan("import", plan, False)
    assert left.value.exit_code == 4
    assert "1 of 2 refused" in capsys.readouterr().out
    with pytest.raises(typer.Exit):
        show_plan("import", plan, True)
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["parts"][1]["kind"]) == ("delrec.import.plan/1", "MaxPool2d")
