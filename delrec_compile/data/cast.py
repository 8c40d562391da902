"""The voices of a pool: those that espeak-ng has, or up to 10,000 drawn at random.

A drawn voice is a variant file of espeak-ng: its kind gives ranges of pitch and of the frequencies of
the formants, from which it takes its own; amplitudes, widths, flutter and breath are drawn too. So
voices are independent draws from one distribution, and none is nearer to another than chance has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from delrec_compile.data.kinds import gender_of, kind_of
from delrec_compile.data.speaker_table import FEWEST
from delrec_compile.data.voices import VARIANTS
from delrec_compile.errors import UsageError

MOST = 10_000  # drawn voices
FEMALE, MALE = "female", "male"
SHARES = {"male": 0.45, "female": 0.33, "child": 0.08, "klatt": 0.08, "whisper": 0.06}
SIZES = {"male": (0.88, 1.05), "female": (1.02, 1.20), "child": (1.20, 1.45)}  # of formants
PITCHES = {"male": (60, 115), "female": (130, 220), "child": (220, 300)}  # Hz, the lower end
RANGE = (1.25, 1.7)  # of the upper end over the lower one
FORMANTS = 9
OWN_SHARE = 0.06  # of a formant's frequency, apart from the size
KLATTS = 5
BREATH = (75, 75, 50, 40, 15, 10)  # of a whisper, by formant
BREATH_WIDTHS = (150, 150, 200, 200, 400, 400)


@dataclass(frozen=True)
class Cast:
    """Voices by speaker number. variants: names in espeak-ng. files: text of the variant files, by name,
    that espeak-ng does not have.
    """

    variants: tuple[str, ...]
    kinds: tuple[str, ...]
    genders: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def own_voices() -> Cast:
    """The voices that espeak-ng has."""
    kinds = tuple(kind_of(variant) for variant in VARIANTS)
    return Cast(VARIANTS, kinds, tuple(gender_of(variant) for variant in VARIANTS))


def draw_voices(count: int, rng: np.random.Generator) -> Cast:
    """`count` voices drawn at random. Raises UsageError for a number that makes no pool."""
    if not FEWEST <= count <= MOST:
        raise UsageError(f"drawn_voices is {count:,}; {FEWEST} to {MOST:,} are allowed")
    names = tuple(f"drawn{number:04}" for number in range(count))
    kinds = tuple(rng.choice(list(SHARES), count, p=list(SHARES.values())).tolist())
    bodies = tuple(_body(kind, rng) for kind in kinds)
    files = {
        name: _file(name, kind, body, rng)
        for name, kind, body in zip(names, kinds, bodies, strict=True)
    }
    genders = tuple(FEMALE if body == FEMALE else MALE for body in bodies)
    return Cast(names, kinds, genders, files)


def _body(kind: str, rng: np.random.Generator) -> str:
    """The body whose pitch and size a voice has."""
    return kind if kind in SIZES else str(rng.choice([FEMALE, MALE]))


def _file(name: str, kind: str, body: str, rng: np.random.Generator) -> str:
    """A variant file."""
    lines = ["language variant", f"name {name}", f"gender {FEMALE if body == FEMALE else MALE}"]
    low = rng.uniform(*PITCHES[body])
    lines += [f"pitch {low:.0f} {low * rng.uniform(*RANGE):.0f}"]
    lines += [f"flutter {rng.integers(13)}", f"roughness {rng.integers(4)}"]
    size = rng.uniform(*SIZES[body])
    for number in range(FORMANTS):
        frequency = 100 * size * rng.uniform(1 - OWN_SHARE, 1 + OWN_SHARE)
        amplitude, width = rng.uniform(60, 140), rng.uniform(70, 160)
        if kind == "whisper" and number == 0:
            amplitude = 0
        lines += [f"formant {number} {frequency:.0f} {amplitude:.0f} {width:.0f}"]
    lines += [f"consonants {rng.uniform(60, 130):.0f} {rng.uniform(60, 130):.0f}"]
    if kind == "klatt":
        lines += [f"klatt {1 + rng.integers(KLATTS)}"]
    if kind == "whisper":
        breath = " ".join(f"{each * rng.uniform(0.7, 1.3):.0f}" for each in BREATH)
        lines += [f"voicing {rng.uniform(10, 25):.0f}", f"breath {breath}"]
        lines += [f"breathw {' '.join(map(str, BREATH_WIDTHS))}"]
    else:
        lines += [f"voicing {rng.uniform(60, 120):.0f}"]
    return "\n".join([*lines, ""])
