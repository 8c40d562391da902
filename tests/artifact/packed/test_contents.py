"""Archives of packages: equal contents are equal bytes."""

from __future__ import annotations

import tarfile
import zipfile
from io import BytesIO

from delrec_compile.artifact.packed.contents import tarred, zipped


def test_archives_hold_files_and_no_times() -> None:
    files = {"a/b.txt": b"x" * 100, "c": b""}
    assert zipped(files) == zipped(dict(files))
    assert tarred(files) == tarred(dict(files))
    with zipfile.ZipFile(BytesIO(zipped(files))) as archive:
        assert {n: archive.read(n) for n in archive.namelist()} == files
        assert {m.external_attr >> 16 for m in archive.infolist()} == {0o644}
    with tarfile.open(fileobj=BytesIO(tarred(files))) as archive:
        members = archive.getmembers()
        assert [(m.name, m.size, m.mtime, m.mode) for m in members] == [
            ("a/b.txt", 100, 0, 0o644),
            ("c", 0, 0, 0o644),
        ]
