"""Builds that are proven before they are in their place: what is tried first, and what is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import cases
import numpy as np
import pytest
from helpers import called_here, refusal, tree

from delrec_compile import targets
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import DataError, DeviceError, InputError, ParityError, ToolchainError
from delrec_compile.evaluation import proven
from delrec_compile.evaluation.proven import build_proven, check_provable, reach
from delrec_compile.runners.devices import discover
from delrec_compile.runners.devices.discover import Listing
from delrec_compile.runners.devices.url import parse_all
from delrec_compile.system import child, doctor
from delrec_compile.system.doctor import Finding

NETWORK = "conv3"
BOARD = "ssh://pi@board"
FIRST = {"sequence": 0, "step": 1, "layer": 0, "neuron": 2, "margin": 0.5}
DIFFERS = {
    "passed": False,
    "agrees": False,
    "spikes": {"differing": 1, "compared": 9, "first": FIRST},
}


@pytest.fixture
def samples(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of samples for the network."""
    counts = cases.counts(cases.CASES[NETWORK]).transpose(1, 0, 2).astype(np.uint8)
    file = tmp_path_factory.mktemp("samples") / "samples.npz"
    labels = np.zeros(len(counts), np.int64)
    np.savez(file, counts=counts, labels=labels, dt_ms=cases.network(NETWORK).dt_ms)
    return str(file)


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that must not be reached."""

    def compiled(*_: Any, **__: Any) -> None:
        raise AssertionError("compiled before everything was tried")

    monkeypatch.setattr(proven, "build", compiled)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delrec_compile.evaluation.proof.bench", lambda *_, **__: None)
    monkeypatch.setattr(child, "call", lambda f, timeout_s=None, **a: called_here(f, **a))


def test_a_proven_artifact_is_complete(tmp_path: Path, samples: str, here: None) -> None:
    out = tmp_path / "out"
    built = build_proven(cases.network(NETWORK), out=out, samples=samples, limit=2)
    assert built.artifact.path == out
    assert load_artifact(out).manifest.proven is True
    assert json.loads((out / "measured.json").read_text())["check"]["passed"] is True
    assert (out / "report.md").read_text().startswith(f"# {NETWORK}")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "out.tar.gz"]


def wrong(call: Callable[..., Any]) -> Callable[..., Any]:
    """Parity that finds a difference."""

    def answer(function: str, **arguments: Any) -> Any:
        result = call(function, **arguments)
        if function.endswith("proof:both"):
            result[0] |= DIFFERS
        return result

    return answer


def test_an_artifact_that_differs_leaves_what_was_there(
    tmp_path: Path, samples: str, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, network = tmp_path / "out", cases.network(NETWORK)
    options: dict[str, Any] = {"out": out, "samples": samples, "limit": 2}
    build_proven(network, **options)
    monkeypatch.setattr(child, "call", wrong(child.call))
    with refusal(ParityError, "x86_64 differs from PyTorch", 6, tmp_path):
        build_proven(network, force=True, **options)
    with refusal(ParityError, "x86_64 differs from PyTorch", 6, tmp_path):
        build_proven(network, **options | {"out": tmp_path / "new"})


def test_devices_that_differ_leave_nothing(
    tmp_path: Path, samples: str, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def differs(path: Path, *_: Any, **__: Any) -> dict[str, Any]:
        assert path != tmp_path / "out"
        check = json.loads((path / "measured.json").read_text())["check"]
        return {"devices": [{**check, **DIFFERS, "device": BOARD}]}

    monkeypatch.setattr(proven, "check_on", differs)
    monkeypatch.setattr(discover, "devices", lambda *_: [Listing(BOARD, "ready", None, "")])
    with refusal(ParityError, f"^{BOARD}: x86_64 differs", 6, tmp_path):
        build_proven(
            cases.network(NETWORK),
            out=tmp_path / "out",
            samples=samples,
            limit=2,
            devices=parse_all([BOARD]),
        )


@pytest.mark.usefixtures("uncompiled")
def test_everything_is_tried_before_it_is_compiled(
    tmp_path: Path, samples: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, out = cases.network(NETWORK), tmp_path / "out"
    with refusal(DataError, "absent.npz", 3, tmp_path):
        build_proven(network, out=out, samples=str(tmp_path / "absent.npz"))
    lost = Listing(BOARD, "not reached", None, "no route to host")
    with monkeypatch.context() as patch:
        patch.setattr(discover, "devices", lambda *_: [lost])
        with refusal(DeviceError, f"^{BOARD} no route to host$", 8, tmp_path):
            build_proven(network, out=out, samples=samples, devices=parse_all([BOARD]))
    out.touch()
    with refusal(InputError, "out is not an artifact", 3, tmp_path):
        build_proven(network, out=out, samples=samples)
    absent = Finding("emulator", False, "unicorn is not installed", "", "pip install it")
    monkeypatch.setitem(doctor.PROBES, "emulator", lambda: absent)
    message = "code of cortex_m4 is run by emulator: unicorn is not installed; pip install it; or "
    with refusal(ToolchainError, message, 5, tmp_path):
        build_proven(network, "cortex_m4", tmp_path / "m4", samples=samples)
    with pytest.raises(AssertionError, match="compiled before"):
        build_proven(network, "cortex_m4", tmp_path / "m4", samples=samples, allow_unproven=True)
    check_provable(targets.load("x86_64"))


def test_devices_that_answer() -> None:
    reach(parse_all(["local"]))


def test_code_that_nothing_runs_is_unproven(
    tmp_path: Path, samples: str, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delrec_compile.evaluation.proof.runs_here", lambda _: False)
    built = build_proven(cases.network(NETWORK), out=tmp_path / "out", samples=samples, limit=2)
    assert built.proof.check is None
    assert load_artifact(tmp_path / "out").manifest.proven is False
    assert tree(tmp_path / "out")


def test_a_tool_that_only_builds_is_not_asked_for_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it tried: a compiler that hangs would cost its limit twice."""

    def tried() -> NoReturn:
        raise AssertionError("a compiler was run")

    absent = doctor.Finding("emulator", False, "not installed", "proof", "pip install it")
    own = {name: tried for name in doctor.PROBES if name not in doctor.PROOF}
    monkeypatch.setattr(doctor, "PROBES", {**doctor.PROBES, **own})
    check_provable(targets.load("cortex_m4"))
    monkeypatch.setitem(doctor.PROBES, "emulator", lambda: absent)
    with refusal(ToolchainError, "code of cortex_m4 is run by emulator: not installed", 5):
        check_provable(targets.load("cortex_m4"))
