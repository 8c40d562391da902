"""Recipes that are fixed: test samples of a pool of voices are heard by no other.

Recipes are chosen on validation samples alone. A cache keeps the options of each recipe from the day it
was fixed; until then its networks do not meet the test samples, and nothing prints their test accuracy.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from delrec_compile.errors import DataError, UsageError
from delrec_compile.evaluation.claims.variants import Variant
from delrec_compile.system.fields import parse_json
from delrec_compile.system.files import write_atomic
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.keys import IGNORED_OPTIONS

FILE = "fixed.json"
SCHEMA = "delrec.claims-fixed/1"
VARYING = ("seed", *IGNORED_OPTIONS)  # options that no recipe fixes


class FixedRecipes:
    """The recipes that a cache folder has fixed. Raises DataError for a damaged record."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._recipes: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            try:
                told = parse_json(self.path.read_text())
                if told["schema"] != SCHEMA:
                    raise ValueError(f"schema {told['schema']}")
                self._recipes = dict(told["recipes"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise DataError(f"{self.path} is damaged ({error!r}); restore it") from error

    def holds(self, variant: Variant, config: TrainConfig) -> bool:
        """Whether the recipe of the variant is fixed, and is this one. config: of any seed."""
        fixed = self._recipes.get(variant.name)
        return fixed is not None and fixed["recipe"] == _recipe(variant, config)

    def fix(self, recipes: Iterable[tuple[Variant, TrainConfig]]) -> None:
        """Fixes recipes from today on; those that are fixed stay.

        Raises UsageError where another recipe was fixed under the name of a variant.
        """
        today = datetime.date.today().isoformat()
        for variant, config in recipes:
            now = _recipe(variant, config)
            fixed = self._recipes.setdefault(variant.name, {"date": today, "recipe": now})
            if now != fixed["recipe"]:
                raise UsageError(
                    f"the recipe of '{variant.name}' was fixed on {fixed['date']} with other options "
                    f"({_difference(fixed['recipe'], now)}); give the new recipe a name of its own"
                )
        record = {"schema": SCHEMA, "recipes": self._recipes}
        write_atomic(self.path, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())


def _recipe(variant: Variant, config: TrainConfig) -> dict[str, Any]:
    """Options that differ from the defaults, and the teacher's variant."""
    changed = {name: value for name, value in config.changed().items() if name not in VARYING}
    return {**changed, **({"taught_by": variant.teacher} if variant.teacher else {})}


def _difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first option that differs."""
    name = min(n for n in {*then, *now} if then.get(n) != now.get(n))
    words = ("the default" if name not in of else str(of[name]) for of in (then, now))
    was, is_ = words
    return f"{name} was {was}, is {is_}"
