"""Artifacts in numbers, as a folder and packed."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from fixtures.manifests import folder_of

from delrec_compile.artifact.describe import describe
from delrec_compile.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "net", {"src/net.c": b"int a;\n"})


def packed(folder: Path) -> Path:
    path = folder.with_name("net.tar.gz")
    with tarfile.open(path, "w:gz") as file:
        file.add(folder, "net")
    return path


def test_a_folder_and_its_archive_say_the_same(folder: Path) -> None:
    told = describe(folder)
    assert told["facts"]["target"] == "portable_c"
    assert told["files"] == ["include/net.h", "src/net.c"]
    again = describe(packed(folder))
    assert {**again, "path": ""} == {**told, "path": ""}


def test_damage_is_refused(folder: Path) -> None:
    (folder / "src/net.c").write_text("int b;\n")
    with pytest.raises(InputError, match=r"src/net.c is missing or differs"):
        describe(folder)
    data = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**data, "sha256": "0"}))
    with pytest.raises(InputError, match=r"its manifest\.json is damaged"):
        describe(packed(folder))
    archive = folder.with_name("net.tar.gz")
    archive.write_bytes(archive.read_bytes()[:40])
    with pytest.raises(InputError, match="is not a packed artifact"):
        describe(archive)


@pytest.mark.parametrize("files", ["null", "5", '["a"]'])
def test_an_archive_without_a_list_of_files_is_refused(files: str, tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "manifest.json").write_text(f'{{"files": {files}}}')
    with pytest.raises(InputError, match=r"its manifest\.json is damaged"):
        describe(packed(tmp_path / "net"))
