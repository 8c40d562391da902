"""Artifacts on their way to disk: staged, put into place as one, packed in equal bytes."""

from __future__ import annotations

import errno
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.manifests import folder_of, typed
from helpers import refusal, tree

from delrec_compile.artifact import package
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.package import (
    Stage,
    check_output,
    checksums,
    named,
    staging,
    write_tar_gz,
)
from delrec_compile.errors import InputError, ParityError
from delrec_compile.system import folders


def made(out: Path, text: bytes = b"int x;", force: bool = False) -> None:
    """An artifact of one file, staged and installed."""
    with staging(out, force) as stage:
        (stage.folder / "src").mkdir()
        (stage.folder / "src/net.c").write_bytes(text)
        manifest = typed(files=checksums(stage.folder))
        stage.write(manifest)
        (stage.folder / "measured.json").write_text("{}")
        stage.install(manifest)


def test_an_artifact_and_its_archive_are_installed(tmp_path: Path) -> None:
    out = tmp_path / "net"
    made(out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net", "net.tar.gz"]
    assert list(json.loads((out / "manifest.json").read_text())["files"]) == ["src/net.c"]
    with tarfile.open(tmp_path / "net.tar.gz") as tar:
        assert tar.getnames() == ["net/manifest.json", "net/src/net.c"]
    made(out, b"int y;", force=True)
    assert (out / "src/net.c").read_bytes() == b"int y;"
    with tarfile.open(tmp_path / "net.tar.gz") as tar:
        assert tar.extractfile("net/src/net.c").read() == b"int y;"  # type: ignore[union-attr]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net", "net.tar.gz"]


def test_equal_files_are_equal_archives(tmp_path: Path) -> None:
    packed = []
    for k in range(2):
        folder = tmp_path / str(k) / "net"
        folder.mkdir(parents=True)
        (folder / "a").write_text("x")
        os.utime(folder / "a", (k, k))
        (folder / "a").chmod(0o600 + k)
        write_tar_gz(tmp_path / "net.tar.gz", folder, ["a"])
        packed.append((tmp_path / "net.tar.gz").read_bytes())
    assert packed[0] == packed[1]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_have_the_modes_of_the_user(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        made(tmp_path / "net")
    finally:
        os.umask(before)
    for path in (tmp_path / "net", tmp_path / "net.tar.gz", tmp_path / "net/src/net.c"):
        full = 0o777 if path.is_dir() else 0o666
        assert path.stat().st_mode & 0o777 == full & ~umask, path


def test_a_stage_is_gone_after_an_error_that_names_the_output(tmp_path: Path) -> None:
    out = tmp_path / "net"
    with refusal(ParityError, f"^{out}/lib differs$", 6, tmp_path), staging(out) as stage:
        raise ParityError(f"{stage.folder}/lib differs")
    (tmp_path / "file").touch()
    message = r"cannot write in .*; choose another folder with out=\.\.\."
    with refusal(InputError, message, 3), staging(tmp_path / "file" / "net"):
        pass


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        refusal(InputError, "cannot write in .*: No space left", 3, tmp_path),
        staging(tmp_path / "net"),
    ):
        raise full
    with pytest.raises(PermissionError), staging(tmp_path / "net"):
        raise PermissionError(errno.EACCES, "not this one's to tell")


def test_the_old_artifact_stays_where_the_new_one_cannot_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "net"
    made(out)

    def busy(*_: Path) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(package, "replace_folder", busy)
    with refusal(InputError, f"cannot write {out}: Device or resource busy", 3, tmp_path):
        made(out, b"new", force=True)


def late(out: Path) -> None:
    """Something comes into the place of an artifact while it is made."""
    with staging(out) as stage:
        stage.write(typed())
        out.mkdir()
        stage.install(typed())


def test_what_appears_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="net exists; add force=True"):
        late(tmp_path / "net")
    monkeypatch.setattr(package, "check_output", lambda *_: None)
    with pytest.raises(InputError, match="unseen appeared meanwhile"):
        late(tmp_path / "unseen")
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "net", tmp_path / "unseen"]


def test_another_build_into_the_same_place(tmp_path: Path) -> None:
    out = tmp_path / "net"
    with staging(out), refusal(InputError, "another process is building .*net", 3), staging(out):
        pass
    with staging(out), staging(tmp_path / "other"):
        pass


def holding(path: Path) -> None:
    folder_of(path, {"src/net.c": b""})
    (path / "compare").mkdir()
    (path / "compare/mine.txt").write_text("the only copy")


def foreign(path: Path) -> None:
    path.mkdir()
    (path / "manifest.json").write_text('{"schema": "other"}')


def no_json(path: Path) -> None:
    path.mkdir()
    (path / "manifest.json").write_text("[]")


def link(path: Path) -> None:
    path.symlink_to(path.parent)


def archive(path: Path) -> None:
    path.with_name("net.tar.gz").write_text("mine")


def other_archive(path: Path) -> None:
    with tarfile.open(path.with_name("net.tar.gz"), "w:gz") as tar:
        tar.add(__file__, "thesis/chapter.tex")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (holding, "holds compare/mine.txt, not of the artifact, so force=True does not replace it"),
        (foreign, "net is not an artifact, so force=True does not replace it"),
        (no_json, "net is not an artifact"),
        (link, "net is not an artifact"),
        (Path.touch, "net is not an artifact"),
        (archive, r"net\.tar\.gz is not an artifact"),
        (other_archive, r"net\.tar\.gz is not an artifact"),
    ],
)
def test_force_replaces_artifacts_alone(
    make: Callable[[Path], Any], message: str, tmp_path: Path
) -> None:
    out = tmp_path / "net"
    make(out)
    for force in (True, False):
        with refusal(InputError, message, 3):
            check_output(out, force)


def test_what_may_be_replaced(tmp_path: Path) -> None:
    check_output(tmp_path / "net", force=False)
    (tmp_path / "empty").mkdir()
    check_output(tmp_path / "empty", force=True)
    made(tmp_path / "net")
    check_output(tmp_path / "net", force=True)
    (tmp_path / "net/report.md").touch()
    check_output(tmp_path / "net", force=True)


def test_an_output_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert named(Path()) == tmp_path
    assert named(Path("a/b")) == Path("a/b")


def test_a_stage_is_beside_its_output(tmp_path: Path) -> None:
    with staging(tmp_path / "net") as stage:
        assert isinstance(stage, Stage)
        assert stage.folder.name == "net"
        assert stage.folder.parent.parent == tmp_path
        assert stage.folder.parent.name.startswith(f".net{folders.MARK}")
    assert tree(tmp_path) == {}


def test_damaged_measurements_are_none(tmp_path: Path) -> None:
    artifact = Artifact(tmp_path, typed())
    for text in ("[", "[1]", "[" * 100_000, '{"a": ' + "9" * 400 + "}"):
        (tmp_path / package.MEASURED).write_text(text)
        assert package.measured(artifact) == {}
