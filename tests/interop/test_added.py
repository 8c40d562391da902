"""Importers of other packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cases
import pytest

from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop.result import Imported
from delrec_compile.interop.source import import_model, plan_import
from delrec_compile.system import plugins


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.mine"
    path.write_text("weights")
    return path


def importing(made: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Installs an importer that returns `made`; the list of what it is given."""
    given: list[Any] = []

    def read(source: Any, **options: Any) -> Any:
        given.append((source, options))
        return made

    importer = SimpleNamespace(takes=lambda s: str(s).endswith(".mine"), read=read)
    point = EntryPoint("mine", "package", plugins.IMPORTERS)
    loaded = {plugins.IMPORTERS: [(point, importer)]}
    monkeypatch.setattr(plugins, "loaded", lambda group: loaded.get(group, []))
    return given


def test_a_file_that_is_known_to_no_reader_here_goes_to_them(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError):
        import_model(file)
    made = Imported(cases.network("mixed"), cases.network("mixed"), "mine")
    given = importing(made, monkeypatch)
    assert import_model(file, dt_ms=2.0).network.inputs == made.network.inputs
    assert given == [(file, {"dt_ms": 2.0})]
    with pytest.raises(CheckpointError):
        import_model(file.with_name("other.txt"))


def test_what_they_cannot_do_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importing(5, monkeypatch)
    with pytest.raises(UnsupportedError, match="package package made a int"):
        import_model(file)
    with pytest.raises(UnsupportedError, match="plans nothing"):
        plan_import(file)


@pytest.mark.parametrize("broken", [SystemExit(0), KeyError("x"), AttributeError("takes")])
def test_one_that_fails_is_named(
    broken: BaseException, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> Any:
        raise broken

    for takes, read in ((fail, fail), (lambda source: True, fail)):
        importer = SimpleNamespace(takes=takes, read=read)
        point = EntryPoint("mine", "package", plugins.IMPORTERS)
        monkeypatch.setattr(plugins, "loaded", lambda g, pair=(point, importer): [pair])
        with pytest.raises(UnsupportedError, match=r"package package, entry point 'mine' of .*: "):
            import_model(file)


def test_its_own_errors_stay_as_they_are(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> Any:
        raise CheckpointError("line 3: no weights")

    importer = SimpleNamespace(takes=lambda source: True, read=fail)
    point = EntryPoint("mine", "package", plugins.IMPORTERS)
    monkeypatch.setattr(plugins, "loaded", lambda group: [(point, importer)])
    with pytest.raises(CheckpointError, match=r"^line 3: no weights$"):
        import_model(file)
