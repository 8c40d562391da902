"""Installed versions beside those that are allowed: in a checkout, and in an installation."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from delrec_compile.system import versions

PROJECT = """
[project]
dependencies = ["NumPy>=2,<3"]
optional-dependencies.more = ["some-thing==1.*", "delrec-compile[other]"]
"""


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    real = versions.requirements
    monkeypatch.setattr(versions, "requirements", lambda: real(tmp_path))


def test_what_is_required() -> None:
    assert [(e, r.name) for e, r in versions.requirements()] == [
        ("", "NumPy"),
        ("more", "some-thing"),
        ("more", "delrec-compile"),
    ]


@pytest.mark.parametrize("version", ["2.0", "2.9.1", "2.1+cpu", "2.5rc1"])
def test_a_version_that_is_allowed(version: str) -> None:
    assert versions.wrong("numpy", version) is None


@pytest.mark.parametrize("version", ["1.26", "3.0", "", None, "not a version"])
def test_a_version_that_is_not(version: str | None) -> None:
    detail, fix = versions.wrong("numpy", version) or ("", "")
    assert detail == f"{version or 'no version'}; <3,>=2 is required"
    assert fix == "pip install 'NumPy<3,>=2'"


def test_extras_are_looked_at_where_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(versions.others(set())) == []
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.5")
    ((name, extra, detail, _),) = versions.others(set())
    assert (name, extra, detail) == ("some-thing", "more", "0.5; ==1.* is required")
    assert list(versions.others({"Some_Thing"})) == []


def test_the_metadata_of_an_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    lines = ["numpy>=2", "uv>=0.9; extra == 'supply'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: lines)
    found = versions.requirements(tmp_path / "none")
    assert [(extra, required.name) for extra, required in found] == [
        ("", "numpy"),
        ("supply", "uv"),
    ]
