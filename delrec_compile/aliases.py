"""Types that every room shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Ints = NDArray[Any]  # of any integer type
Progress = Callable[[str], None]  # what is being done
StageProgress = Callable[[int, int, str], None]  # so many done, of so many, and what is being done
