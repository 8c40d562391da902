"""delrec-compile package: one kind, its path and what to do with it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from delrec_compile.cli.package import package
from delrec_compile.errors import UsageError

MAKE = importlib.import_module("delrec_compile.artifact.packed.make")


def test_it_says_where_the_package_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make(*asked: object) -> Path:
        assert asked == (Path("out"), "npm", tmp_path, True)
        (tmp_path / "net.tgz").write_bytes(b"12345")
        return tmp_path / "net.tgz"

    monkeypatch.setattr(MAKE, "package", make)
    package(Path("out"), npm=True, out=tmp_path, force=True)
    out = capsys.readouterr().out
    assert "net.tgz: 5 bytes" in out
    assert f"npm install {tmp_path / 'net.tgz'}" in out
    package(Path("out"), npm=True, out=tmp_path, force=True, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["bytes"]) == ("npm", 5)


def test_a_wheel_for_one_cpu_is_remarked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for tag, remarked in (("linux_x86_64", True), ("manylinux_2_17_x86_64", False)):
        path = tmp_path / f"net-1-py3-none-{tag}.whl"
        path.write_bytes(b"1")
        monkeypatch.setattr(MAKE, "package", lambda *_, path=path: path)
        package(Path("out"), wheel=True)
        assert ("--cpu x86-64" in capsys.readouterr().err) is remarked


def test_one_kind_is_required() -> None:
    for kinds in ({}, {"wheel": True, "npm": True}):
        with pytest.raises(
            UsageError, match="one is required: --wheel, --npm, --arduino, --zephyr"
        ):
            package(Path("out"), **kinds)
