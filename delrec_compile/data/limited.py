"""SHD/SSC files read in a child process: a damaged one neither stops nor fills this one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.data.events import Events, load_events
from delrec_compile.data.hdf5 import open_shd, read_header, require_mark
from delrec_compile.data.speaker_table import Part, SpeakerTable, read_speaker_table
from delrec_compile.data.summary import Info, describe
from delrec_compile.errors import DataError
from delrec_compile.system import limited
from delrec_compile.system.folders import work_folder


def load_events_limited(path: str | Path, **options: Any) -> Events:
    """Same as `load_events`. Raises DataError also where that takes too long or too much memory."""
    require_mark(Path(path))
    with work_folder() as folder:
        fields = limited.call(
            "delrec_compile.data.limited:bin_into",
            path,
            error=DataError,
            folder=str(folder),
            options=options,
        )
        arrays = {
            name: np.load(file) if (file := folder / f"{name}.npy").exists() else None
            for name in ("counts", "labels", "speaker")
        }
    keys = fields.pop("keys")
    return Events(**arrays, keys=tuple(keys) if keys else None, **fields)  # type: ignore[arg-type]


def bin_into(path: str, folder: str, options: dict[str, Any]) -> dict[str, Any]:
    """In the child: the arrays as files of `folder`; returns the other fields."""
    events = load_events(path, **options)
    for name in ("counts", "labels", "speaker"):
        if (values := getattr(events, name)) is not None:
            np.save(Path(folder, f"{name}.npy"), values)
    return {"keys": events.keys, "dt_ms": events.dt_ms, "outside": events.outside}


def describe_limited(path: str | Path, **options: Any) -> Info:
    """Same as `describe`. Raises DataError also where that takes too long or too much memory."""
    require_mark(Path(path))
    fields = limited.call(
        "delrec_compile.data.limited:summarise", path, error=DataError, options=options
    )
    for name in ("keys", "speakers"):
        fields[name] = None if fields[name] is None else tuple(fields[name])
    fields["parts"] = tuple(Part(**part) for part in fields["parts"])
    return Info(**fields)


def summarise(path: str, options: dict[str, Any]) -> dict[str, Any]:
    """In the child: the fields of the summary."""
    return asdict(describe(path, **options))


def speaker_table_limited(path: str | Path) -> SpeakerTable | None:
    """What an SHD file says of its speakers; None where it has no parts. Raises DataError."""
    require_mark(Path(path))
    fields = limited.call("delrec_compile.data.limited:speaker_table", path, error=DataError)
    if fields is None:
        return None
    return SpeakerTable(tuple(fields["folds"]), tuple(fields["kinds"]), fields["count"])


def speaker_table(path: str) -> dict[str, Any] | None:
    """In the child: the fields of the table."""
    with open_shd(Path(path)) as file:
        _, _, speaker = read_header(file, Path(path))
        table = read_speaker_table(file, Path(path), speaker)
    return None if table is None else asdict(table)
