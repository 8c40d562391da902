"""Write events in the HDF5 layout of the Spiking Heidelberg Digits.

`spikes/times` vlen float16 seconds, `spikes/units` vlen uint16, `labels` uint16,
`extra/keys` bytes, `extra/speaker` uint16, `extra/meta_info/..` a row for each speaker number
(Cramer et al. 2022, zenkelab.org/datasets).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.system.files import write_atomic


def write_shd(
    path: Path,
    spikes: Sequence[tuple[npt.NDArray[np.float16], npt.NDArray[np.uint16]]],
    labels: npt.NDArray[np.int64],
    speakers: npt.NDArray[np.int64],
    keys: Sequence[str],
    attributes: Mapping[str, object],
    speaker_rows: Mapping[str, npt.NDArray[Any]] | None = None,
) -> None:
    """Write one set.

    spikes: (times in seconds, units) of each utterance. attributes: of the file. speaker_rows: arrays
    of `extra/meta_info` by name. It is made in memory: HDF5 ends the process where a disk is full.
    Raises InputError.
    """
    import h5py

    n = len(spikes)
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        times = file.create_dataset("spikes/times", (n,), h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (n,), h5py.vlen_dtype(np.uint16))
        for index, (seconds, unit) in enumerate(spikes):
            times[index] = seconds
            units[index] = unit
        file["labels"] = labels.astype(np.uint16)
        file["extra/speaker"] = speakers.astype(np.uint16)
        file["extra/keys"] = np.array([key.encode() for key in keys])
        for name, rows in (speaker_rows or {}).items():
            file[f"extra/meta_info/{name}"] = rows
        file.attrs.update(attributes)
        file.flush()
        raw = file.id.get_file_image()
    write_atomic(path, raw)
