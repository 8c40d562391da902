"""A wheel and an sdist whose bytes tell of nothing but the sources: no times, users, umask, order.

    python -m build && python -m benchmarks.release dist

The time of all files is $SOURCE_DATE_EPOCH, by default 1 January 2020.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

EPOCH = 1_577_836_800  # 2020-01-01; a zip knows no time before 1980
PROGRAM, FILE = 0o755, 0o644


def main(arguments: Sequence[str]) -> int:
    (folder,) = map(Path, arguments)
    for path in sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")]):
        settle(path)
        print(path)
    return 0


def settle(path: Path) -> None:
    """Rewrites a wheel or an sdist in place."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", EPOCH))
    raw = path.read_bytes()
    path.write_bytes(_zip(raw, epoch) if path.suffix == ".whl" else _tar(raw, epoch))


def _zip(raw: bytes, epoch: int) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(raw)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in sorted(source.namelist()):
            member = zipfile.ZipInfo(name, time.gmtime(epoch)[:6])
            member.compress_type, member.create_system = zipfile.ZIP_DEFLATED, 3
            is_program = source.getinfo(name).external_attr >> 16 & 0o100
            member.external_attr = (0o100000 | (PROGRAM if is_program else FILE)) << 16
            target.writestr(member, source.read(name))
    return out.getvalue()


def _tar(raw: bytes, epoch: int) -> bytes:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as source,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda m: m.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.pax_headers = {}
            if not member.issym():
                is_program = member.isdir() or member.mode & 0o100
                member.mode = PROGRAM if is_program else FILE
            target.addfile(member, source.extractfile(member) if member.isreg() else None)
    return gzip.compress(out.getvalue(), mtime=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
