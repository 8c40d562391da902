"""Recipes that are fixed before they are tested."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.claims import PAIR
from helpers import refusal

from delrec_compile.errors import DataError, UsageError
from delrec_compile.evaluation.claims.fixed import FixedRecipes
from delrec_compile.evaluation.claims.variants import select_variants

CONV = PAIR[0]


def test_a_recipe_is_fixed_for_all_seeds_and_later_runs(tmp_path: Path) -> None:
    recipes = FixedRecipes(tmp_path)
    assert not recipes.holds(CONV, CONV.config(0))
    recipes.fix([(CONV, CONV.config(0))])
    again = FixedRecipes(tmp_path)
    assert again.holds(CONV, CONV.config(1))
    assert not again.holds(PAIR[1], PAIR[1].config(0))
    before = again.path.read_bytes()
    again.fix([(CONV, CONV.config(2))])
    assert again.path.read_bytes() == before


def test_another_recipe_under_its_name_is_not_fixed(tmp_path: Path) -> None:
    recipes = FixedRecipes(tmp_path)
    recipes.fix([(CONV, CONV.config(0))])
    wider = replace(CONV, options={**CONV.options, "kernel": 7})
    told = r"'conv_delay' was fixed on [\d-]{10} .*kernel was the default, is 7.* a name of its own"
    assert not recipes.holds(wider, wider.config(0))
    with refusal(UsageError, told, 2):
        recipes.fix([(wider, wider.config(0))])
    assert FixedRecipes(tmp_path).holds(CONV, CONV.config(0))


def test_a_teacher_is_part_of_a_recipe(tmp_path: Path) -> None:
    (taught,) = select_variants(["conv_delay_taught"])
    recipes = FixedRecipes(tmp_path)
    recipes.fix([(taught, taught.config(0, teacher="a.safetensors"))])
    assert recipes.holds(taught, taught.config(0, teacher="b.safetensors"))
    alone = replace(taught, teacher="")
    assert not recipes.holds(alone, alone.config(0))
    with refusal(UsageError, "taught_by was dense_delay, is the default", 2):
        recipes.fix([(alone, alone.config(0))])


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"schema": "delrec.other/1"})])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "fixed.json").write_text(text)
    with refusal(DataError, "fixed.json is damaged .*restore it", 3):
        FixedRecipes(tmp_path)
