"""The speed of a training beside that of another commit."""

import json
from contextlib import nullcontext

import pytest

from benchmarks import training_speed
from delrec_compile.errors import InputError


def test_a_row_holds_the_times_of_both_and_their_ratio(monkeypatch):
    small = {"recurrence": "conv", "hidden": 16, "epochs": 1}
    monkeypatch.setitem(training_speed.KINDS, "conv", small)
    row = training_speed.compare(training_speed.HERE.parent, "conv", 1.0, 4)
    assert row["base_ms"] > 0
    assert row["here_ms"] > 0
    assert row["low"] <= row["median"] <= row["high"]
    assert training_speed.line("conv 1", row).startswith("conv 1 ")


def test_a_kind_without_delays_has_one_row():
    names = [name for name, *_ in training_speed.cases(training_speed.KINDS)]
    assert names[:4] == ["conv 10", "conv 1", "conv 0", "channel_conv 10"]
    assert [name for name in names if name.startswith("feed_forward")] == ["feed_forward"]


def test_a_training_that_fails_is_refused(tmp_path, capfd):
    broken = tmp_path / "delrec_compile"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise SystemExit('no such package')")
    with pytest.raises(InputError, match=r"the training in .* failed; its error stands above"):
        training_speed.compare(tmp_path, "conv", 1.0, 1)
    assert "no such package" in capfd.readouterr().err


def test_the_command_prints_json(monkeypatch, capsys):
    monkeypatch.setattr(training_speed, "checkout", lambda _, folder: nullcontext(folder))
    monkeypatch.setattr(training_speed, "compare", lambda *_: {"median": 2.0})
    assert training_speed.main(["--kind", "dense", "--spread", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == training_speed.SCHEMA
    assert found["ratios"] == {"dense 3": {"median": 2.0}}


def test_the_command_refuses_what_fails(monkeypatch, capsys):
    def fails(*_):
        raise InputError("git worktree add: no such commit")

    monkeypatch.setattr(training_speed, "checkout", fails)
    assert training_speed.main(["--base", "none"]) == InputError.exit_code
    assert "no such commit" in capsys.readouterr().err
