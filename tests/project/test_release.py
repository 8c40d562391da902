"""What a release says of itself, in one version everywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from fixtures.tree import ROOT, settings

import delrec_compile

KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def test_the_version_is_one() -> None:
    version = settings()["project"]["version"]
    assert delrec_compile.__version__ == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## [{version}] - " in (ROOT / "CHANGELOG.md").read_text()


def test_the_changelog_is_kept_as_it_says() -> None:
    """Keep a Changelog: versions newest first, and kinds of changes once each, in their order."""
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(.+?)\]", text, re.M)
    assert versions[0] == "Unreleased"
    numbers = [tuple(map(int, v.split("."))) for v in versions[1:]]
    assert numbers == sorted(numbers, reverse=True)
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        kinds = re.findall(r"^### (.+)$", section, re.M)
        assert kinds == [kind for kind in KINDS if kind in kinds]


def copy_of_the_checkout(folder: Path) -> Path:
    """Without what is made in it."""
    made = (
        "__pycache__",
        ".git",
        ".venv",
        ".*_cache",
        "*.egg-info",
        "build",
        "dist",
        "shared",
        "out",
    )
    ignore = shutil.ignore_patterns(*made)
    return shutil.copytree(ROOT, folder / "checkout", symlinks=True, ignore=ignore)


def built(folder: Path, kind: str, out: Path) -> Path:
    """The wheel or the sdist of a folder."""
    code = f"import setuptools.build_meta as b; b.build_{kind}({str(out)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (file,) = out.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return file


def test_the_sdist_holds_the_project_and_makes_the_wheel(tmp_path: Path) -> None:
    folder = copy_of_the_checkout(tmp_path)
    with tarfile.open(built(folder, "sdist", tmp_path)) as archive:
        archive.extractall(tmp_path / "sdist", filter="data")
    (source,) = (tmp_path / "sdist").iterdir()
    kept = ("README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "mkdocs.yml")
    for name in (*kept, "docs", "examples", "tests", "benchmarks"):
        assert (source / name).exists(), name
    for room in ("docs", "examples"):
        there = {p.relative_to(folder) for p in (folder / room).rglob("*") if p.is_file()}
        assert there <= {p.relative_to(source) for p in (source / room).rglob("*")}
    with zipfile.ZipFile(built(source, "wheel", tmp_path)) as wheel:
        inside = set(wheel.namelist())
    for room in ("delrec_compile", "ops", "targets"):
        above = "" if room == "delrec_compile" else "delrec_compile/"
        files = (p for p in (folder / room).rglob("*") if p.is_file() and not p.is_symlink())
        missing = {f"{above}{p.relative_to(folder).as_posix()}" for p in files} - inside
        assert not missing
