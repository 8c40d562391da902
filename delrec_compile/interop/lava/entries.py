"""The entries of one layer of a Lava description: text, numbers, arrays, each checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop.hdf5_entries import MAX_VALUES

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Entries:
    """name: of the layer, for messages. held: its entries."""

    name: str
    held: Mapping[str, Any]

    def __contains__(self, key: str) -> bool:
        return key in self.held

    def part(self, key: str) -> Entries:
        """The entries of a group. Raises CheckpointError."""
        if not isinstance(self.held.get(key), dict):
            raise CheckpointError(f"{self.name} has no group '{key}'; export the network again")
        return Entries(f"{self.name}/{key}", self.held[key])

    def text(self, key: str) -> str:
        """A word. Raises CheckpointError."""
        value = self._required(key)
        first = np.ravel(np.asarray(value, object))
        word = first[0] if len(first) else ""
        return word.decode("utf8", "replace") if isinstance(word, bytes) else str(word)

    def array(self, key: str) -> F64:
        """Finite numbers. Raises CheckpointError."""
        try:
            values = np.asarray(self._required(key), np.float64)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{self.name}/{key} is no array of numbers") from error
        if not values.size or not np.isfinite(values).all():
            raise CheckpointError(f"{self.name}/{key} holds no finite numbers")
        return values

    def whole(self, key: str) -> F64:
        """Whole numbers, as the chip has them. Raises UnsupportedError, CheckpointError."""
        values = self.array(key)
        if (values % 1).any():
            wrong = values[values % 1 != 0].ravel()[0]
            raise UnsupportedError(
                f"{self.name}/{key}: {wrong:g} is no whole number, and Lava cuts it; export a quantised "
                "network"
            )
        return values

    def number(self, key: str, default: float) -> float:
        """One number. Raises CheckpointError."""
        if key not in self:
            return default
        values = self.array(key)
        if values.size != 1:
            raise CheckpointError(f"{self.name}/{key}: one number is required")
        return float(values.ravel()[0])

    def pair(self, key: str, default: int) -> tuple[int, int]:
        """(rows, columns). Raises CheckpointError."""
        if key not in self:
            return default, default
        values = self.array(key).ravel()
        if values.size > 2 or (values % 1).any() or (values < 0).any():
            raise CheckpointError(f"{self.name}/{key}: one or two whole numbers are required")
        return int(values[0]), int(values[-1])

    def shape(self) -> Shape:
        """The sizes of its values: channels first. Raises CheckpointError."""
        sizes = self.array("shape").ravel()
        if (sizes < 1).any() or (sizes % 1).any() or len(sizes) > 3:
            raise CheckpointError(f"{self.name}/shape: up to three positive sizes are required")
        if sizes.prod() > MAX_VALUES:
            raise CheckpointError(
                f"{self.name}/shape: {sizes.prod():,.0f} values; at most {MAX_VALUES:,} are read"
            )
        return tuple(int(n) for n in sizes)

    def each(self, key: str, values: F64, shape: Shape) -> F64:
        """One number, or one for each value of this shape: given so, or for each channel.

        Raises CheckpointError.
        """
        size = int(np.prod(shape))
        if values.size in (1, size):
            return values.ravel()
        if values.size == shape[0]:
            return np.repeat(values.ravel(), size // shape[0])
        raise CheckpointError(
            f"{self.name}/{key} has {values.size} numbers for {size} values in {shape[0]} channels"
        )

    def _required(self, key: str) -> Any:
        if key not in self.held or isinstance(self.held[key], dict):
            raise CheckpointError(f"{self.name} has no '{key}'; export the network again")
        return self.held[key]
