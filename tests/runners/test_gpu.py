"""Sessions on a GPU: what is refused. The kernels themselves: tests/matrix/test_cuda.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.manifests import folder_of, typed
from helpers import refusal

from delrec_compile import GpuSession
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DeviceError, InputError
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
