"""Entry points of other packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.installed import installed

from delrec_compile.errors import UnsupportedError
from delrec_compile.system import plugins


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_a_package_adds_is_found_and_loaded(folder: Path) -> None:
    installed(folder, "added_one", "[delrec_compile.ops]\nmine = added_one:VALUE\n", "VALUE = 5")
    (pair,) = plugins.loaded(plugins.OPS)
    assert (pair[0].name, pair[1], plugins.origin(pair[0])) == ("mine", 5, "added_one")
    assert plugins.found(plugins.TARGETS) == {}


def test_a_package_that_fails_is_named(folder: Path) -> None:
    installed(folder, "added_bad", "[delrec_compile.ops]\nmine = added_bad:X\n", "import nothing_x")
    with pytest.raises(UnsupportedError, match=r"package added_bad, entry point 'mine'.*nothing_x"):
        list(plugins.loaded(plugins.OPS))


def test_a_package_that_exits_ends_nothing(folder: Path) -> None:
    installed(
        folder, "added_exit", "[delrec_compile.ops]\nmine = added_exit:X\n", "raise SystemExit"
    )
    with pytest.raises(UnsupportedError, match=r"package added_exit, .* SystemExit"):
        list(plugins.loaded(plugins.OPS))


def test_a_name_of_two_packages_is_refused(folder: Path) -> None:
    for package in ("added_a", "added_b"):
        installed(folder, package, f"[delrec_compile.targets]\nchip = {package}\n")
    with pytest.raises(UnsupportedError, match="'chip' is of two packages"):
        plugins.found(plugins.TARGETS)
