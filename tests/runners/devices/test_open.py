"""The runner of each kind of device."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.manifests import typed

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.runners.devices import local, rpc, ssh
from delrec_compile.runners.devices.open import open_device
from delrec_compile.runners.devices.url import parse


@pytest.mark.parametrize(
    ("url", "runner"),
    [("local", "LocalRunner"), ("ssh://pi@there", "SshRunner"), ("rpc://there/key", "RpcRunner")],
)
def test_a_url_names_its_runner(
    url: str, runner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((local, "LocalRunner"), (ssh, "SshRunner"), (rpc, "RpcRunner")):
        monkeypatch.setattr(module, name, lambda artifact, device, name=name: (name, device.url))
    assert open_device(Artifact(tmp_path, typed()), parse(url)) == (runner, url)
