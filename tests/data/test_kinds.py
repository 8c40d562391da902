"""Kinds of voices, by what espeak-ng says of them, and their spread over the parts of a pool."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fixtures.synthesisers import needs_espeak

from delrec_compile.data import voices
from delrec_compile.data.kinds import ALIKE, KINDS, families, gender_of, kind_of, spread
from delrec_compile.data.speech import Voice
from delrec_compile.data.synth import speaker_split
from delrec_compile.data.voices import VARIANTS

OF_KIND = [kind_of(variant) for variant in VARIANTS]
NEAR = 0.9  # correlation from which two voices are one
LENGTH_SHARE = 0.02  # a larger difference in length leaves no such correlation


def test_every_voice_has_one_kind() -> None:
    named = [variant for variants in KINDS.values() for variant in variants]
    assert len(named) == len(set(named))
    assert set(named) < set(VARIANTS)
    counts = Counter(kind_of(variant) for variant in VARIANTS)
    assert set(counts) == {*KINDS, "male"}
    assert {kind: counts[kind] for kind in KINDS} == {k: len(v) for k, v in KINDS.items()}
    assert Counter(map(gender_of, VARIANTS)) == {"male": 60, "female": 17}


@pytest.mark.parametrize("count", [3, 4, 5, 7, 10, 66])
@pytest.mark.parametrize("seed", range(4))
def test_kinds_are_spread_and_voices_that_sound_alike_stay_together(count: int, seed: int) -> None:
    parts = spread(VARIANTS, OF_KIND, count, np.random.default_rng(seed))
    assert set(parts.tolist()) == set(range(count))
    part_of = dict(zip(VARIANTS, parts.tolist(), strict=True))
    for family in ALIKE:
        assert len({part_of[variant] for variant in family}) == 1
    sizes = Counter(part_of.values())
    assert max(sizes.values()) - min(sizes.values()) <= 2
    for kind in {kind_of(variant) for variant in VARIANTS}:
        of_kind = Counter(part_of[variant] for variant in VARIANTS if kind_of(variant) == kind)
        least = min(of_kind[part] for part in range(count))
        together = max(len(f) for f in families(VARIANTS) if kind_of(f[0]) == kind)
        assert max(of_kind.values()) - least <= together
    assert parts.tolist() == spread(VARIANTS, OF_KIND, count, np.random.default_rng(seed)).tolist()


def test_voices_of_other_names_are_spread_by_the_kinds_that_are_given() -> None:
    kinds = ["rare"] * 7 + ["common"] * 60
    parts = spread([f"v{n}" for n in range(67)], kinds, 5, np.random.default_rng(0))
    assert sorted(np.bincount(parts[:7])) == [1, 1, 1, 2, 2]
    assert sorted(np.bincount(parts[7:])) == [12] * 5
    assert sorted(np.bincount(parts)) == [13, 13, 13, 14, 14]


def test_five_parts_have_fifteen_voices_each_or_more() -> None:
    drawn = [spread(VARIANTS, OF_KIND, 5, np.random.default_rng(seed)) for seed in range(20)]
    assert all(np.bincount(parts).min() >= 15 for parts in drawn)
    assert len({tuple(parts.tolist()) for parts in drawn}) == 20


def test_a_family_is_of_one_kind_and_each_voice_is_in_one() -> None:
    assert all(len({kind_of(variant) for variant in family}) == 1 for family in ALIKE)
    assert sorted(v for family in families(VARIANTS) for v in family) == sorted(VARIANTS)
    assert families(["m1", "steph", "m2"]) == [("steph",), ("m1",), ("m2",)]


def test_the_three_sets_do_not_keep_voices_apart_that_sound_alike() -> None:
    """As docs/data.md says of seed 0."""
    split = {name: {VARIANTS[n] for n in numbers} for name, numbers in speaker_split(0).items()}
    twins = [v for v in split["test"] for f in ALIKE if v in f and set(f) & split["train"]]
    assert len(twins) == 3


@needs_espeak
def test_kinds_are_what_the_files_of_the_variants_say() -> None:
    said = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True)
    folder = Path(said.stdout.split("Data at: ")[1].strip()) / "voices" / "!v"
    for variant in VARIANTS:
        text = (folder / variant).read_text(encoding="latin1")
        assert bool(re.search(r"^klatt\b", text, re.M)) == (kind_of(variant) == "klatt")
        assert bool(re.search(r"^gender female", text, re.M)) == (gender_of(variant) == "female")


@needs_espeak
def test_voices_that_sound_alike_are_those_that_are_named() -> None:
    """By the waveforms of the same words at the same pitch, and by files that differ in pitch alone."""
    espeak = voices.find_espeak()
    near = {frozenset(("Gene", "Gene2"))}
    for base in ("en-us", "de"):
        waves = [voices.say(espeak, voices.PHRASE, Voice(base, v))[0] for v in VARIANTS]
        size = 1 << (2 * max(map(len, waves)) - 1).bit_length()
        spectra = [np.fft.rfft(wave / np.linalg.norm(wave), size) for wave in waves]
        for a, b in itertools.combinations(range(len(VARIANTS)), 2):
            if abs(len(waves[a]) - len(waves[b])) > LENGTH_SHARE * len(waves[a]):
                continue
            if np.fft.irfft(spectra[a] * spectra[b].conj(), size).max() > NEAR:
                near.add(frozenset((VARIANTS[a], VARIANTS[b])))
    named = {frozenset(pair) for family in ALIKE for pair in itertools.combinations(family, 2)}
    assert near <= named
    assert families_of(near) == families_of(named)


def families_of(pairs: set[frozenset[str]]) -> set[frozenset[str]]:
    """What the pairs connect."""
    found: list[frozenset[str]] = []
    for pair in pairs:
        touched = [family for family in found if family & pair]
        found = [family for family in found if not family & pair] + [pair.union(*touched)]
    return set(found)
