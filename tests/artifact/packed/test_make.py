"""Packages in a folder: named, never replaced unasked, equal for equal artifacts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from helpers import refusal

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.packed.make import package
from delrec_compile.errors import InputError, UsageError


def test_a_package_is_written_once(built: Callable[[str], Artifact], tmp_path: Path) -> None:
    artifact = built("portable_c")
    path = package(artifact, "arduino", tmp_path / "new")
    assert path == tmp_path / "new" / "conv3.zip"
    raw = path.read_bytes()
    with refusal(InputError, "conv3.zip exists; add force=True to replace it", 3, tmp_path / "new"):
        package(artifact, "arduino", tmp_path / "new")
    path.write_bytes(b"")
    assert package(artifact, "arduino", tmp_path / "new", force=True).read_bytes() == raw


def test_unknown_kinds_and_folders_are_refused(tmp_path: Path) -> None:
    with refusal(
        UsageError, "'weel'; did you mean 'wheel'.* allowed: wheel, npm, arduino, zephyr", 2
    ):
        package(tmp_path, "weel")
    with refusal(InputError, "is not an artifact|no artifact", 3):
        package(tmp_path, "wheel")
