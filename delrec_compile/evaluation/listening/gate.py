"""Where words begin and end: energy against the background, step by step."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from delrec_compile.data.cochlea import Float

EMPHASIS = 0.97  # share of the sample before that is taken off: rooms hum, words hiss
QUIET_DB = -80.0  # relative to full scale: below it nothing is sound
START_DB = -50.0  # of the background at most, until it is known
OPEN_DB, CLOSE_DB = 7.0, 4.0  # above the background
SMOOTH_MS = 30
BACKGROUND_MS = 1_500  # in which its least energy is taken
HANG_MS = 250  # of quiet that end a word: more than the closure of a stop
CLICK_MS = 30  # shorter sounds open nothing


class Gate:
    """Told the samples of each step; `open` says whether a word is being spoken.

    step_ms: length of a step. sound: whether it opened at more than the background, before that was
    known.
    """

    def __init__(self, step_ms: int = 10) -> None:
        self._hang, smooth = max(1, HANG_MS // step_ms), max(1, SMOOTH_MS // step_ms)
        # a sound is loud in `smooth - 1` more steps than it lasts
        self._click = max(1, CLICK_MS // step_ms) + smooth - 1
        self._recent: deque[float] = deque(maxlen=smooth)
        self._levels: deque[float] = deque(maxlen=max(1, BACKGROUND_MS // step_ms))
        self._loud = self._quiet = 0  # steps in a row
        self._before = 0.0  # the last sample
        self._known = False  # whether the background was heard for long enough
        self.open = self._sure = False
        self._peak = QUIET_DB  # since it opened
        self.loudest_db = QUIET_DB

    def hear(self, samples: Float) -> bool:
        """The samples of the next step. Returns `open`."""
        level = self._level(samples)
        self._levels.append(level)
        self.loudest_db = max(self.loudest_db, level)
        above = level - self.background_db
        self._loud = self._loud + 1 if above > OPEN_DB else 0
        self._quiet = 0 if above > CLOSE_DB else self._quiet + 1
        if not self.open:
            self._sure, self._peak = self._known, level
        self._peak = max(self._peak, level)
        self.open = self._quiet < self._hang if self.open else self._loud >= self._click
        return self.open

    @property
    def sound(self) -> bool:
        return self._sure or self._peak - self.background_db > OPEN_DB

    @property
    def background_db(self) -> float:
        """Level of what is heard between words."""
        least = max(min(self._levels, default=QUIET_DB), QUIET_DB)
        if not self._known:
            near = sum(level < least + CLOSE_DB for level in self._levels)
            self._known = near >= self._hang or len(self._levels) == self._levels.maxlen
        return least if self._known else min(least, START_DB)

    def _level(self, samples: Float) -> float:
        """dB of full scale, after emphasis, over the last SMOOTH_MS."""
        emphasised = samples.astype(np.float64)
        emphasised[0] -= EMPHASIS * self._before
        emphasised[1:] -= EMPHASIS * samples[:-1]
        self._before = float(samples[-1])
        self._recent.append(float(emphasised @ emphasised) / len(samples))
        return 10 * math.log10(sum(self._recent) / len(self._recent) + 1e-12)
