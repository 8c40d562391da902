"""delrec-compile tune and db: options, the verdict, and the store's commands on a store."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from delrec_compile.aliases import Numeric
from delrec_compile.cli import tune as command
from delrec_compile.compiler.schedules.store import Store
from delrec_compile.errors import InputError
from delrec_compile.targets.schedule import Schedule
from delrec_compile.tuning.result import Limits, Measurement, Tuned

TUNE = importlib.import_module("delrec_compile.tuning.tune")


def measured(lanes: int, steps: float, ratio: float) -> Measurement:
    return Measurement(
        schedule=Schedule(lanes=lanes), costs={"steps": steps}, ratio=ratio, ratios={"steps": ratio}
    )


def tuned(ratio: float) -> Tuned:
    shipped, best = measured(8, 2.0, 1.0), measured(16, 2.0 * ratio, ratio)
    return Tuned(
        *("x86_64", "a CPU", Numeric.FLOAT32, "this machine", "us"),
        shipped,
        shipped if ratio == 1.0 else best,
        None,
        {"measured": 5, "known": 2, "failed": 1},
        {"lanes": [8, 16]},
        40,
        "10 minutes are over",
        600.0,
        "store/file.jsonl",
    )


def test_options_reach_the_search(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, object] = {}

    def search(network: object, target: str, **options: object) -> Tuned:
        asked.update(options, target=target)
        return tuned(0.5)

    monkeypatch.setattr(TUNE, "tune", search)
    command.tune(target="arm_cpu", numeric="int8", minutes=3, trials=7, cpu="cortex-a72")
    assert asked["target"] == "arm_cpu"
    assert asked["numeric"] == "int8"
    assert asked["limits"] == Limits(3, 7)
    line = "delrec-compile tune conv_delay_256 --target arm_cpu --numeric int8 --cpu cortex-a72"
    assert asked["command"] == f"{line} --trials 7 --minutes 3"
    out = capsys.readouterr().out
    assert "2.00x as fast as shipped, same bits" in out
    assert "7 of 40 schedules measured, 5 of them now; 1 failed" in out
    build = "delrec-compile build conv_delay_256 --target arm_cpu --cpu cortex-a72 --numeric int8"
    assert out.splitlines()[-1] == f"next: {build}"


def test_a_search_without_a_winner_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    command.show_tuned(tuned(1.0))
    assert "nothing beats the shipped schedule, so it stays in use" in capsys.readouterr().out


def test_an_interrupt_says_where_the_measurements_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> Tuned:
        raise KeyboardInterrupt

    monkeypatch.setattr(TUNE, "tune", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command.tune(db=tmp_path)
    assert f"measurements so far stay in {tmp_path}" in capsys.readouterr().err


def test_damaged_lines_are_listed_then_set_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Store(tmp_path).folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "x86_64.jsonl").write_text("garbage\n")
    with pytest.raises(InputError, match="1 damaged lines"):
        command.db_verify(db=tmp_path)
    assert "x86_64.jsonl, line 1: damaged: garbage" in capsys.readouterr().out
    command.db_repair(db=tmp_path)
    assert "1 lines moved to quarantine" in capsys.readouterr().out
    command.db_verify(db=tmp_path, as_json=True)
    assert json.loads(capsys.readouterr().out)["damaged"] == []


def test_an_empty_store_is_listed_and_has_nothing_to_merge_or_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.db_ls(db=tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == f"next: delrec-compile tune --db {tmp_path}"
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="holds no tuning files"):
        command.db_merge([tmp_path / "other"], db=tmp_path)
    with pytest.raises(InputError, match="holds no winner to export"):
        command.db_export(tmp_path / "tuned", db=tmp_path)
    assert not (tmp_path / "tuned").exists()
