"""An unfinished training on disk, one file that each epoch replaces, and the log of its epochs."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from delrec_compile.errors import CheckpointError, UsageError
from delrec_compile.system.files import write_atomic
from delrec_compile.training.config import TrainConfig

FORMAT = 1
PLAIN = (str, int, float, type(None))  # types of options
LOGS = (".csv", ".jsonl")
# options that may differ between the runs that share a state: a teacher may have moved
_FREE = {"threads", "teacher", "valid_every"}


@dataclass(frozen=True)
class Epoch:
    """Measurements of one epoch.

    valid_accuracy: of the net as trained, with its present spread; None without a validation.
    """

    number: int  # from 1
    loss: float
    train_accuracy: float  # with dropout and augmentation
    valid_accuracy: float | None
    sigma: float
    seconds: float
    skipped: int = 0  # batches whose loss or gradient was not finite: they changed no parameter

    def of(self, epochs: int, *scores: str) -> str:
        """What a progress says of it."""
        valid = () if self.valid_accuracy is None else (f"valid {self.valid_accuracy:.1%}",)
        return ", ".join((f"epoch {self.number} of {epochs}", *scores, *valid))


def write(path: Path, config: TrainConfig, data: str, state: dict[str, Any]) -> None:
    """Replaces the state in `path` atomically: a kill leaves the old one or the new one.

    data: digests of the sets and the teacher.
    """
    record = {"format": FORMAT, "config": asdict(config), "data": data, **state}
    buffer = io.BytesIO()
    torch.save(record, buffer)
    write_atomic(path, buffer.getvalue())


def forget(path: Path) -> None:
    """Removes the state, and the remains of writes that were killed: of it, and of a log of epochs."""
    path.unlink(missing_ok=True)
    for file in path.parent.iterdir():
        if file.name.startswith((f".{path.name}.", f".{path.stem}.epochs.")):
            file.unlink(missing_ok=True)


def read(path: Path, config: TrainConfig, data: str) -> dict[str, Any]:
    """The state in `path`. Raises CheckpointError for an invalid file, UsageError for a state of another
    training."""
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # torch.load does not look at the checksums
                raise zipfile.BadZipFile(damaged)
        record = torch.load(path, weights_only=True, map_location="cpu")
        known = record["format"] == FORMAT
        before, sources = dict(record["config"]) if known else {}, record.get("data")
        if not all(isinstance(v, PLAIN) for v in (*before.values(), sources)):
            raise TypeError("an option is no plain value")
    except Exception as error:  # torch has several for damaged bytes
        raise damaged_state(path) from error
    if not known:
        raise CheckpointError(
            f"{path} has format {record['format']}; this version reads {FORMAT}; "
            "remove it to train again"
        )
    defaults = asdict(TrainConfig())
    for name, value in asdict(config).items():
        own = before.get(name, defaults[name])  # an option that is newer than the file
        if name not in _FREE and own != value:
            raise UsageError(
                f"{path} was trained with {name} {own}, not {value}; use the same options to "
                "resume it, or --force to train again"
            )
    if sources != data:
        raise UsageError(
            f"{path} was trained on different data or with a different teacher; "
            "use the same, or --force to train again"
        )
    return dict(record)


def damaged_state(path: Path) -> CheckpointError:
    """The error of a file that holds no state, or not all of it."""
    return CheckpointError(
        f"{path} is not a readable unfinished training run; remove it to train again"
    )


def write_log(path: Path, history: Sequence[Epoch]) -> None:
    """Replaces the file by one row per epoch, as .csv or .jsonl."""
    rows = [asdict(epoch) for epoch in history]
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, [f.name for f in fields(Epoch)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = buffer.getvalue()
    write_atomic(path, text.encode())
