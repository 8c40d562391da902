"""Kinds of voices, those that sound alike, and voices spread over the parts of a pool.

A kind is decided by the variant's name and by what espeak-ng's file of the variant says: `klatt` where
it asks for the Klatt synthesiser, `female` where it says so, `child` for its one pitch of 240 to 390 Hz
with formants 45 % higher, `male` where nothing of that is said.

Some variants differ in little: the same words by them, at the same pitch, have correlations above 0.9,
or their files differ in the pitch alone. A network that has heard one has heard the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from delrec_compile.data.hdf5 import Ints

KINDS = {
    "whisper": ("whisper", "whisperf"),
    "croak": ("croak",),
    "klatt": (
        *("klatt", "klatt2", "klatt3", "klatt4", "klatt5"),
        *("adam", "benjamin", "david", "edward"),
    ),
    "elder": ("grandma", "grandpa"),
    "child": ("zac",),
    "female": (
        *("f1", "f2", "f3", "f4", "f5", "Alicia", "Andrea", "Annie", "aunty", "belinda", "linda"),
        *("steph", "steph2", "steph3", "anika"),
    ),
}
REST = "male"
WOMEN = (*KINDS["female"], "whisperf", "grandma")  # those whose file says so
ALIKE = (
    ("steph", "steph2", "steph3"),
    ("iven", "iven2", "iven3"),
    ("klatt", "adam", "benjamin"),
    ("klatt5", "edward"),
    ("Diogo", "michel"),
    ("Henrique", "Hugo"),
    ("m7", "Mario"),
    ("Gene", "Gene2"),
)
_KIND_OF = {variant: kind for kind, variants in KINDS.items() for variant in variants}


def kind_of(variant: str) -> str:
    """Kind of an espeak-ng voice variant."""
    return _KIND_OF.get(variant, REST)


def gender_of(variant: str) -> str:
    """As SHD has it of a speaker; male where espeak-ng's file says nothing."""
    return "female" if variant in WOMEN else "male"


def families(variants: Sequence[str]) -> list[tuple[str, ...]]:
    """The voices that sound alike, or a voice alone: each variant once."""
    found = [tuple(v for v in family if v in variants) for family in ALIKE]
    alone = [(v,) for v in variants if not any(v in family for family in ALIKE)]
    return [family for family in found if family] + alone


def spread(
    variants: Sequence[str], of_kind: Sequence[str], count: int, rng: np.random.Generator
) -> Ints:
    """The part (n,), of `count`, of each of n variants. of_kind: the kind of each.

    Voices that sound alike share a part. Each kind is spread as evenly as that allows, the rare ones
    first, and each family of voices comes where fewest of its kind are, then where fewest are at all.
    """
    index = {variant: n for n, variant in enumerate(variants)}
    parts = np.full(len(variants), -1, np.int64)
    kinds = np.array(of_kind)
    for family in _shuffled_families(variants, dict(zip(variants, of_kind, strict=True)), rng):
        here = [parts == part for part in range(count)]
        kind = kinds == kinds[index[family[0]]]
        sizes = [(int((part & kind).sum()), int(part.sum())) for part in here]
        parts[[index[variant] for variant in family]] = sizes.index(min(sizes))
    return parts


def _shuffled_families(
    variants: Sequence[str], kinds: Mapping[str, str], rng: np.random.Generator
) -> list[tuple[str, ...]]:
    """Rare kinds first, of a kind the large families."""
    found = families(variants)
    drawn = [found[n] for n in rng.permutation(len(found))]
    frequency = Counter(kinds.values())
    return sorted(drawn, key=lambda f: (frequency[kinds[f[0]]], kinds[f[0]], -len(f)))
