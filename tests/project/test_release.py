"""What a release says of itself, in one version everywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from fixtures.tree import ROOT, settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import delrec_compile
from benchmarks import release

SMALL = """
[build-system]
requires = ["setuptools"]
[project]
name = "small"
version = "1.0"
readme = "README.md"
[tool.setuptools]
packages = ["small"]
"""
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


def test_a_release_has_the_same_bytes_everywhere(tmp_path: Path) -> None:
    """From folders of other names, times, users and rights."""
    made = []
    for number, mask in enumerate((0o022, 0o077)):
        folder, out = tmp_path / f"place-{number}", tmp_path / f"out-{number}"
        (folder / "small").mkdir(parents=True)
        out.mkdir()
        before = os.umask(mask)
        try:
            (folder / "small" / "__init__.py").write_text("VALUE = 1\n")
            (folder / "README.md").write_text("# small\n")
            (folder / "pyproject.toml").write_text(SMALL)
            os.utime(folder / "README.md", (1e9 + number, 1e9 + number))
            files = [built(folder, "wheel", out), built(folder, "sdist", out)]
        finally:
            os.umask(before)
        raw = [file.read_bytes() for file in files]
        assert release.main([str(out)]) == 0
        made.append([file.read_bytes() for file in files])
        assert raw != made[-1]
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "out-0" / "small-1.0-py3-none-any.whl") as wheel:
        assert wheel.testzip() is None
        assert wheel.read("small/__init__.py") == b"VALUE = 1\n"
    with tarfile.open(tmp_path / "out-1" / "small-1.0.tar.gz") as sdist:
        assert sdist.extractfile("small-1.0/README.md").read() == b"# small\n"


def locked() -> dict[str, set[str]]:
    """Versions of each package in requirements.lock, which all have hashes."""
    out: dict[str, set[str]] = {}
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", "")
    for line in text.splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement = Requirement(line.split("--hash")[0])
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            assert "--hash=sha256:" in line, line
            out.setdefault(canonicalize_name(requirement.name), set()).add(pin.version)
    return out


def test_the_lock_holds_what_the_package_requires() -> None:
    project, pins = settings()["project"], locked()
    extras = project["optional-dependencies"]
    chosen = (extras[name] for name in ("cross", "emu", "cuda", "nir", "rpc", "cluster", "plots"))
    for line in [*project["dependencies"], *(line for extra in chosen for line in extra)]:
        required = Requirement(line)
        if required.name != "torch":  # installed before, from its own index
            versions = pins[canonicalize_name(required.name)]
            assert all(required.specifier.contains(v) for v in versions), line
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text  # whose index it was made from is nobody's concern
