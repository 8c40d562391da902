"""Installed packages beside the versions that this package allows: of its dependencies and extras."""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from delrec_compile.system.extras import ROOT

NAME = "delrec-compile"


def requirements(root: Path = ROOT) -> list[tuple[str, Requirement]]:
    """What is required, each behind its extra, or an empty text.

    Of `pyproject.toml` where this is a checkout: what an older installation says of it is stale.
    """
    file = root / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        lists = {"": project["dependencies"], **project.get("optional-dependencies", {})}
        return [(extra, Requirement(line)) for extra, lines in lists.items() for line in lines]
    try:
        lines = importlib.metadata.requires(NAME) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [(_extra(required), required) for required in map(Requirement, lines)]


def wrong(name: str, version: str | None) -> tuple[str, str] | None:
    """What is wrong with a version, and the command that mends it; None where it is allowed."""
    for _, required in requirements():
        if canonicalize_name(required.name) == canonicalize_name(name):
            allowed = required.specifier
            if not _allows(required, version):
                told = version or "no version"
                return f"{told}; {allowed} is required", f"pip install '{required.name}{allowed}'"
    return None


def others(known: set[str]) -> Iterator[tuple[str, str, str, str]]:
    """Packages of extras that are installed in a wrong version: name, extra, and `wrong`.

    known: names that are looked at elsewhere.
    """
    seen = {canonicalize_name(name) for name in (NAME, *known)}
    for extra, required in requirements():
        name = canonicalize_name(required.name)
        if not extra or name in seen:
            continue
        try:
            found = wrong(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            continue
        if found:
            seen.add(name)
            yield required.name, extra, *found


def _allows(required: Requirement, version: str | None) -> bool:
    try:
        return version is not None and required.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return False


def _extra(required: Requirement) -> str:
    """The extra that a requirement of the metadata belongs to."""
    marker = str(required.marker or "")
    return marker.partition("extra == ")[2].split()[0].strip("\"'") if "extra == " in marker else ""
