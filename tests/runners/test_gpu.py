"""Sessions on a GPU: what is refused. The kernels themselves: tests/matrix/test_cuda.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fixtures.manifests import folder_of, typed
from helpers import refusal

from delrec_compile import GpuSession
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DeviceError, InputError
from delrec_compile.runners import gpu
from delrec_compile.runners.emulated import cuda


def test_an_artifact_for_a_cpu_is_refused(tmp_path: Path) -> None:
    message = "is built for target 'portable_c', not for a GPU; use Session"
    folder = folder_of(tmp_path / "a", {"src/net.c": b""})
    for artifact in (folder, str(folder), Artifact(tmp_path, typed(form="library", library="x"))):
        with refusal(InputError, message, 3):
            GpuSession(artifact)


def test_no_gpu_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "gpu", lambda: None)
    artifact = Artifact(tmp_path, typed(form="cuda", library="lib/libnet.so"))
    with refusal(DeviceError, "no GPU here; it can be emulated", 8):
        GpuSession(artifact, emulated=False)
    with refusal(InputError, "libnet.so does not load here", 3):
        GpuSession(artifact)


@pytest.fixture
def on_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[GpuSession, dict[str, int]]:
    """A session on a GPU, and what its entry points answer."""
    answers: dict[str, int] = {}

    class Library:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: answers.get(name, 0)

    monkeypatch.setattr(cuda, "gpu", lambda: "H200")
    monkeypatch.setattr(gpu, "load_library", lambda *_, **__: Library())
    return GpuSession(Artifact(tmp_path, typed(form="cuda", library="lib/libnet.so"))), answers


def test_a_gpu_is_used_where_there_is_one(on_gpu: tuple[GpuSession, dict[str, int]]) -> None:
    session, _ = on_gpu
    assert (session.name, session.how) == ("gpu", "device (H200)")
    assert session.driver is None, "nothing is emulated"
    assert session.self_test()


def test_errors_of_the_driver_are_one_line(on_gpu: tuple[GpuSession, dict[str, int]]) -> None:
    session, answers = on_gpu
    for code in (-3, -4):
        answers["net_self_test"] = code
        assert not session.self_test(), "other outputs, or other tables"
    answers |= {"net_self_test": 719, "net_open": -2}
    with refusal(
        DeviceError, r"net_self_test failed on device \(H200\): the driver's error 719", 8
    ):
        session.self_test()
    with refusal(DeviceError, r"net_open failed on device \(H200\): no CUDA driver", 8):
        session.open(3)
    assert session.streams == 0
