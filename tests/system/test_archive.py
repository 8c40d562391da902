"""Archives of others: what is damaged, or unpacks without end, is one kind of error."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
from pathlib import Path

import pytest

from delrec_compile.system import archive


def header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def written(path: Path, raw: bytes) -> Path:
    path.write_bytes(gzip.compress(raw, 1))
    return path


def names(path: Path) -> list[str]:
    with archive.opened(path) as tar:
        return [member.name for member in tar]


def test_members_are_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        for name in ("one", "two"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    with archive.opened(tmp_path / "a.tar.gz") as tar:
        stream = tar.extractfile("two")
        assert stream is not None
        assert stream.read() == b"abc"


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        names(tmp_path / "a.tar.gz")


DAMAGED = {
    "empty": b"",
    "another kind": b"hello",
    "headers in headers": header("a", 512, b"L") * 5000,
    "a header of 8 GB": header("a", 8 << 30, b"x") + bytes(1024),
    "a member of 8 GB": header("a", 8 << 30, b"0") + header("b", 0, b"0"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_one_kind_of_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no whole \.tar\.gz"):
        names(written(tmp_path / "a.tar.gz", DAMAGED[name]))


def test_a_stream_that_is_damaged_inside(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tar.gz", header("a", 0, b"0") + bytes(2048))
    raw = bytearray(path.read_bytes())
    for place in range(len(raw)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 0x55]) + raw[place + 1 :])
        with contextlib.suppress(ValueError):
            names(path)
