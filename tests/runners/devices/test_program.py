"""Programs for devices: which machine they are for, and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.manifests import typed
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DeviceError, InputError, UnsupportedError
from delrec_compile.runners.devices.program import machine_for, program
from delrec_compile.runners.devices.url import LOCAL


@pytest.mark.parametrize(
    ("built", "found", "machine"),
    [
        ("any", "x86_64", "x86_64"),
        ("any", "arm64", "aarch64"),
        ("x86_64", "x86_64", "x86_64"),
        ("armv7l", "aarch64", "armv7l"),
        ("aarch64", "", "aarch64"),
    ],
)
def test_the_machine_of_a_program(built: str, found: str, machine: str, tmp_path: Path) -> None:
    """Portable C is for any machine; an ARM processor runs the code of older ones too."""
    assert machine_for(Artifact(tmp_path, typed(machine=built)), LOCAL, found) == machine


def test_other_machines_are_refused(tmp_path: Path) -> None:
    def of(**changed: object) -> Artifact:
        return Artifact(tmp_path, typed(**changed))

    with refusal(DeviceError, "local is x86_64, and .* is built for aarch64", 8):
        machine_for(of(machine="aarch64"), LOCAL, "x86_64")
    with refusal(UnsupportedError, "is built for cortex_m4; machines that can be reached", 4):
        machine_for(of(machine="cortex_m4"), LOCAL, "x86_64")
    with refusal(UnsupportedError, "local: unknown machine", 4):
        machine_for(of(), LOCAL, "")
    with refusal(UnsupportedError, "is for a GPU; remote devices run CPU code", 4):
        machine_for(of(form="cuda", library="lib/x.so"), LOCAL, "x86_64")


def test_an_older_artifact_has_no_static_library(tmp_path: Path) -> None:
    old = Artifact(tmp_path, typed(form="library", library="lib/libnet.so"))
    with refusal(InputError, "has no static library: .*; build it again", 3):
        program(old, "x86_64", tmp_path / "program")
