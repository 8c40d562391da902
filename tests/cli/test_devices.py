"""delrec-compile devices, and --device of check, bench and build: tables, errors, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from delrec_compile.cli import devices as command
from delrec_compile.cli.inputs import InputOptions
from delrec_compile.errors import DeviceError, ParityError, UsageError
from delrec_compile.evaluation import devices as library
from delrec_compile.runners import open as opening
from delrec_compile.runners.devices import discover, serve

PLACE = {"device": "ssh://pi@board?dir=/data", "machine": "arm_cpu", "host": "board"}
CHECK = {
    **PLACE,
    "target": "arm_cpu",
    "reference": "torch",
    "spikes": {"compared": 1000, "differing": 0},
    "membrane": {"max_abs_error": 0.0},
    "accuracy": 0.85,
    "passed": True,
}
TIMES = {
    "rows": [{**PLACE, "us_per_step": 1.5, "spread": 0.02, "ratio_to_ours": 1.0}],
    "workload": {"samples": 9, "steps": 80, "input_density": 0.2, "hidden_rate": 0.1},
}


@pytest.fixture
def _any_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """No artifact is opened, no samples are read."""
    monkeypatch.setattr(opening, "artifact_taker", lambda _: None)
    monkeypatch.setattr(command, "chosen_samples", lambda *_: None)


@pytest.mark.usefixtures("_any_samples")
def test_checks_are_a_row_per_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(library, "check_on", lambda *_, **__: {"devices": [CHECK], "passed": True})
    command.check_devices(Path("arm"), ["local"], InputOptions(), as_json=False)
    out = capsys.readouterr().out
    assert "ssh://pi@board" in out
    assert "?dir" not in out
    assert out.splitlines()[-1] == "next: delrec-compile bench arm --device local"


def test_a_machine_that_differs_is_a_parity_error() -> None:
    first = {"sequence": 0, "step": 3, "layer": 1, "neuron": 5, "margin": 0.5}
    spikes = {"compared": 1000, "differing": 2, "first": first}
    wrong = {**CHECK, "passed": False, "spikes": spikes}
    command.judge({"devices": [CHECK]})
    with pytest.raises(ParityError, match=r"ssh://pi@board.*in 2 of 1000 spikes"):
        command.judge({"devices": [CHECK, wrong]})


@pytest.mark.usefixtures("_any_samples")
def test_times_are_printed_with_their_workload(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(library, "bench_on", lambda *_: TIMES)
    command.bench_devices(Path("arm"), ["local"], InputOptions(), "", 9, as_json=False)
    out = capsys.readouterr().out
    assert "1.50" in out
    assert "CPU time of 9 samples of 80 steps" in out
    command.bench_devices(Path("arm"), ["local"], InputOptions(), "ours", 9, as_json=True)
    assert json.loads(capsys.readouterr().out)["rows"][0]["us_per_step"] == 1.5


def test_rows_of_baselines_do_not_go_with_a_device() -> None:
    with pytest.raises(UsageError, match="--rows numpy: with --device"):
        command.bench_devices(Path("arm"), ["local"], InputOptions(), "numpy", 9, as_json=False)


def test_the_devices_of_a_build_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    command.show_remote({})
    assert capsys.readouterr().out == ""
    command.show_remote({"devices": [CHECK], "on_devices": TIMES})
    assert "1.50" in capsys.readouterr().out


def test_a_chosen_machine_that_is_not_reached_is_exit_8(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = discover.Listing("ssh://pi@board", "not reached", "", "no route")
    monkeypatch.setattr(discover, "devices", lambda *_: [lost])
    context = SimpleNamespace(invoked_subcommand=None)
    with pytest.raises(DeviceError, match="no route"):
        command.devices(context, device=["ssh://pi@board"])  # type: ignore[arg-type]
    assert "not reached" in capsys.readouterr().out


def test_a_tracker_says_where_it_listens_and_warns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "tracker", lambda host, port, ready: ready(port))
    command.tracker_command(port=9191)
    out, err = capsys.readouterr()
    assert "tracker on 127.0.0.1:9191; Ctrl-C ends it" in out
    assert "next: delrec-compile devices serve --tracker 127.0.0.1:9191" in out
    assert err.startswith("warning: ")
    command.tracker_command(port=9191, as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record == {"schema": "delrec.devices-tracker/1", "host": "127.0.0.1", "port": 9191}
