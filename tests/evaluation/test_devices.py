"""Results of several machines put together; the machines are not there."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from delrec_compile.errors import CompilerCrash, DeviceError, InputError, ParityError
from delrec_compile.evaluation import devices
from delrec_compile.runners.devices.url import LOCAL, Device

REMOTE = Device("ssh://pi", "ssh", host="pi")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the child of each device returns, or raises."""
    results: dict[str, Any] = {}

    def call(function: str, *, url: str, **_: Any) -> Any:
        if isinstance(results[url], Exception):
            raise results[url]
        return dict(results[url])

    monkeypatch.setattr(devices.child, "call", call)
    monkeypatch.setattr(devices, "_network", lambda _: None)
    monkeypatch.setattr(devices, "stored", lambda *_: contextlib.nullcontext("samples"))
    return results


def test_a_check_passes_where_all_devices_do(answers: dict[str, Any]) -> None:
    answers["local"] = {"device": "local", "passed": True}
    answers["ssh://pi"] = {"device": "ssh://pi", "passed": False}
    result = devices.check_on("a", [LOCAL, REMOTE])
    assert [row["device"] for row in result["devices"]] == ["local", "ssh://pi"]
    assert result["passed"] is False
    assert "device" not in result
    alone = devices.check_on("a", [LOCAL])
    assert alone["passed"] is True
    assert alone["device"] == "local"


def test_a_silent_check_passes_only_where_silence_is_accepted(answers: dict[str, Any]) -> None:
    answers["local"] = {"device": "local", "passed": False, "agrees": True}
    assert devices.check_on("a", [LOCAL])["passed"] is False
    assert devices.check_on("a", [LOCAL], allow_silent=True)["passed"] is True
    answers["local"] = {"device": "local", "passed": False, "agrees": False}
    assert devices.check_on("a", [LOCAL], allow_silent=True)["passed"] is False


def test_times_are_over_those_of_the_first_device(answers: dict[str, Any]) -> None:
    answers["local"] = {"us_per_step": 2.0, "workload": {"samples": 3}}
    answers["ssh://pi"] = {"us_per_step": 9.0, "workload": {"samples": 3}}
    result = devices.bench_on("a", [LOCAL, REMOTE])
    assert [row["ratio_to_ours"] for row in result["rows"]] == [1.0, 4.5]
    assert result["workload"] == {"samples": 3}
    assert "workload" not in result["rows"][0]


def test_the_first_error_in_their_order_is_raised(answers: dict[str, Any]) -> None:
    answers["local"] = {"passed": True}
    answers["ssh://pi"] = CompilerCrash("the process of a:b died with signal SIGKILL")
    with pytest.raises(DeviceError, match="ssh://pi: the process that talks to it died"):
        devices.check_on("a", [LOCAL, REMOTE])
    answers["local"] = CompilerCrash("the process of a:b died here")
    with pytest.raises(CompilerCrash, match=r"^the process of a:b died here$"):
        devices.check_on("a", [LOCAL, REMOTE])
    answers["local"] = ParityError("other bits")
    with pytest.raises(ParityError, match="other bits"):
        devices.check_on("a", [LOCAL, REMOTE])


def test_a_file_is_no_artifact(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="made with 'build'"):
        devices.check_on(tmp_path / "step.onnx", [LOCAL])
