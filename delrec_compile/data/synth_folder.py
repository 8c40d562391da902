"""The folder of a data set: made whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

from delrec_compile.errors import DataError
from delrec_compile.system.folders import place_folder, replace_folder, stage_folder


def check_folder(out: Path, force: bool, ours: Collection[str]) -> None:
    """Raises DataError for a directory in use; with `force`, only if it contains files but `ours`."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; name a directory that does not exist yet")
    names = sorted(path.name for path in out.iterdir()) if out.exists() else []
    foreign = [name for name in names if name not in ours]
    if force and foreign:
        raise DataError(
            f"{out} contains '{foreign[0]}', which is not part of this data set; "
            "choose another directory"
        )
    if names and not force:
        raise DataError(
            f"{out} exists and is not empty; choose another directory, or use force=True"
        )


@contextlib.contextmanager
def folder_when_done(out: Path) -> Iterator[Path]:
    """Yields a temporary directory beside `out`, which replaces `out` when the block succeeds."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with stage_folder(out, wait=False) as stage:
            work = stage / out.name
            work.mkdir()
            yield work
            if out.exists():
                replace_folder(work, out)
            else:
                place_folder(work, out)
    except OSError as error:
        why = error.strerror or str(error).splitlines()[0]
        raise DataError(f"{out} cannot be written: {why}; choose another directory") from error
