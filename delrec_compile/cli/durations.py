"""How long the parts of commands took the last time here, from which the time left is estimated."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

LEAST_S = 2.0  # of a part that is remembered, and before its time is shown
LONGEST_S = 1e7  # some months
MOST = 500  # parts that are remembered


class Durations:
    """A file of seconds by part, newest last. What cannot be read or written is as if it were not."""

    def __init__(self, file: Path, command: str) -> None:
        self.file, self.command = file, command
        self.known = self._read()  # not at each part: a live line is one a hundred times a second

    def expected(self, part: str) -> float | None:
        """Seconds that the part took the last time; None where that is not known."""
        return self.known.get(self._key(part))

    def took(self, part: str, seconds: float) -> None:
        """Remembers a part that took long."""
        from delrec_compile.errors import DelrecError
        from delrec_compile.system.files import write_atomic

        if seconds < LEAST_S:
            return
        known = self._read()
        known.pop(self._key(part), None)
        known[self._key(part)] = round(seconds, 1)
        self.known = dict([*known.items()][-MOST:])
        with contextlib.suppress(OSError, DelrecError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.file, json.dumps(self.known).encode())

    def _key(self, part: str) -> str:
        """The names of a user's files do not lie about in a cache."""
        return hashlib.sha256(f"{self.command}\0{part}".encode(errors="replace")).hexdigest()[:16]

    def _read(self) -> dict[str, float]:
        from delrec_compile.system.fields import parse_json

        try:
            known = parse_json(self.file.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(known, dict):
            return {}
        return {k: float(v) for k, v in known.items() if is_time(v)}


def is_time(value: object) -> bool:
    """Whether it is a number of seconds that a part can take."""
    return isinstance(value, int | float) and 0 <= value < LONGEST_S


def clock(elapsed: float, expected: float | None) -> str:
    """The time that passed, and what is left of what is expected; empty for the first moments."""
    if elapsed < LEAST_S:
        return ""
    if expected is None:
        return minutes(elapsed)
    if elapsed > expected:
        return f"{minutes(elapsed)}, longer than the last time"
    return f"{minutes(elapsed)}, about {minutes(expected - elapsed)} left"


def left(elapsed: float, done: int, total: int) -> str:
    """The time that is left of equal parts, in words; empty where that cannot be said."""
    if elapsed < LEAST_S or not 0 < done < total:
        return ""
    return f" (about {minutes(elapsed / done * (total - done))} left)"


def minutes(seconds: float) -> str:
    """Seconds as `m:ss`, or `h:mm:ss`."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60:02}:{rest % 60:02}"
    return f"{hours}:{text}" if hours else text.removeprefix("0")
