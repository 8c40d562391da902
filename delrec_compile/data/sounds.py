"""The bundled sounds: spoken words as PCM."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from delrec_compile.data.front_end import I16
from delrec_compile.data.hdf5 import Ints


@dataclass(frozen=True, eq=False)
class Sounds:
    """pcm: (n, samples) int16 at 16 kHz. labels: (n,) places in keys, the words."""

    pcm: I16
    labels: Ints
    keys: tuple[str, ...]


def bundled_sounds() -> Sounds:
    """The sounds that ship with the package."""
    path = Path(str(resources.files("delrec_compile.bundled") / "sounds.npz"))
    with np.load(path, allow_pickle=False) as arrays:
        labels = arrays["labels"].astype(np.int64)
        return Sounds(arrays["pcm"], labels, tuple(arrays["keys"].tolist()))
