"""Artifacts on their way to disk: staged, put into place as one, packed in equal bytes."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest
from fixtures.manifests import folder_of, typed
from helpers import refusal

from delrec_compile.artifact.package import (
    check_output,
    checksums,
    finish,
    move_into_place,
    staging,
    tar_gz,
)
from delrec_compile.errors import InputError


def test_an_artifact_is_finished(tmp_path: Path) -> None:
    out = tmp_path / "net"
    with staging(out) as stage:
        assert stage.parent == tmp_path
        (stage / "src").mkdir()
        (stage / "src/net.c").write_text("int x;")
        sums = checksums(stage)
        finish(stage, out, typed(files=sums))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net", "net.tar.gz"]
    assert json.loads((out / "manifest.json").read_text())["files"] == sums
    with tarfile.open(tmp_path / "net.tar.gz") as tar:
        assert tar.getnames() == ["net/manifest.json", "net/src/net.c"]


def test_equal_files_are_equal_archives(tmp_path: Path) -> None:
    packed = []
    for k in range(2):
        folder = tmp_path / str(k) / "net"
        folder.mkdir(parents=True)
        (folder / "a").write_text("x")
        os.utime(folder / "a", (k, k))
        (folder / "a").chmod(0o600 + k)
        packed.append(tar_gz(folder))
    assert packed[0] == packed[1]


def test_a_stage_is_gone_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), staging(tmp_path / "net"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    message = "cannot write in .*; choose another folder with -o"
    with refusal(InputError, message, 3), staging(tmp_path / "file" / "net"):
        pass


def test_the_old_folder_stays_where_the_new_one_cannot_come(tmp_path: Path) -> None:
    out = folder_of(tmp_path / "net", {"src/net.c": b"old"})
    with refusal(InputError, "cannot write", 3):
        move_into_place(tmp_path / "absent", out)
    assert (out / "src/net.c").read_bytes() == b"old"


def test_only_artifacts_and_empty_folders_are_replaced(tmp_path: Path) -> None:
    out = tmp_path / "net"
    check_output(out, force=False)
    out.mkdir()
    check_output(out, force=True)
    with refusal(InputError, "exists; add --force", 3):
        check_output(out, force=False)
    folder_of(out, {"src/net.c": b""})
    check_output(out, force=True)
    for text in ("{", "[]", '{"schema": "other"}'):
        (out / "manifest.json").write_text(text)
        with refusal(InputError, "is not an artifact, so --force does not replace it", 3):
            check_output(out, force=True)
    (tmp_path / "link").symlink_to(tmp_path)
    with refusal(InputError, "is not an artifact", 3):
        check_output(tmp_path / "link", force=True)
    (tmp_path / "other.tar.gz").touch()
    with refusal(InputError, "other.tar.gz exists", 3):
        check_output(tmp_path / "other", force=False)
