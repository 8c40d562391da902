"""Types and limits that every room shares."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import UnsupportedError, did_you_mean

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Ints = NDArray[Any]  # of any integer type
INT16_MAX = (1 << 15) - 1
INT32_MAX = (1 << 31) - 1
Progress = Callable[[str], None]  # what is being done
StageProgress = Callable[[int, int, str], None]  # so many done, of so many, and what is being done


class Numeric(StrEnum):
    """A numeric mode. Its value is its name in profiles, manifests and options."""

    FLOAT32 = "float32"
    INT16 = "int16"
    INT8 = "int8"

    @property
    def is_integer(self) -> bool:
        """Whether the network is quantised for it."""
        return self is not Numeric.FLOAT32

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Element type of the weights."""
        return np.dtype(self.value)

    @property
    def bits(self) -> int:
        """Bits of a weight."""
        return self.dtype.itemsize * 8

    @property
    def max_weight(self) -> int:
        """Largest magnitude of a quantised weight; symmetric, so the lowest value is not used."""
        return (1 << (self.bits - 1)) - 1

    @classmethod
    def parse(cls, value: str) -> Numeric:
        """The mode of that name. Raises UnsupportedError."""
        try:
            return cls(value)
        except ValueError:
            raise UnsupportedError(
                f"unknown numeric mode '{value}'{did_you_mean(value, cls)}; "
                f"allowed: {', '.join(cls)}"
            ) from None


INTEGER_MODES = tuple(mode for mode in Numeric if mode.is_integer)
