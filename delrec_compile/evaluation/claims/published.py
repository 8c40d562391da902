"""The table of the papers: their networks as recipes, and the figures that they give for SHD.

The recipes are those of the authors' code, as far as options of `train` say them; what differs is listed
in docs/claims.md. conv-DelRec: configs/perf_SHD.py of github.com/luciozebendo/delrec_snn, 0c1f6bc, with
the kernel of 3 taps of its README. DelRec: configs/perf_SHD.py of github.com/alexmaxad/DelRec, 7500967.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from delrec_compile.errors import UsageError
from delrec_compile.evaluation.claims.variants import TEACHER, VARIANTS, Variant, select_variants

PAPER_SEEDS = 10
AUTHORS_README = "README of delrec_snn, e2c281c"


@dataclass(frozen=True)
class Published:
    """A test accuracy on SHD that authors give, a share, and its deviation over the seeds, if told."""

    accuracy: float
    std: float | None
    seeds: int | None
    source: str


# an epoch of theirs shows three versions of each sample, one of them a blend; 1.4 s hold a whole word
_COMMON: Mapping[str, Any] = {"epochs": 3 * 150, "blend": 1 / 3, "steps": 140}
_CONV: Mapping[str, Any] = {
    **_COMMON,
    "kernel": 3,
    "batch": 32,
    "lr": 0.0013225582163493585,
    "delay_lr": 0.027880072537707235,
    "weight_decay": 4.1063106382417676e-06,
    "dropout": 0.4376747992061383,
    "sigma": 10.35556186978472,
    "tau": 1.1685654746037886,
}
_DENSE: Mapping[str, Any] = {
    **_COMMON,
    "recurrence": "dense",
    "batch": 256,
    "lr": 5e-3,
    "delay_lr": 5e-2,
    "dropout": 0.4,
}
_FOUR: Mapping[str, Any] = {"layers": 4, "recurrent_layers": "after_first"}
_UNDELAYED: Mapping[str, Any] = {"max_delay": 0}

PAPER_BASELINE = Variant("paper_dense_delay", "DelRec, 4 x 256", {**_DENSE, **_FOUR})
PAPER_VARIANTS = (
    Variant("paper_conv", "conv-DelRec without delays, 4 x 256", {**_CONV, **_FOUR, **_UNDELAYED}),
    Variant("paper_dense", "DelRec without delays, 4 x 256", {**_DENSE, **_FOUR, **_UNDELAYED}),
    Variant("paper_conv_delay", "conv-DelRec, 4 x 256", {**_CONV, **_FOUR}),
    PAPER_BASELINE,
    Variant("paper_dense_delay_2", "DelRec, 2 x 256", _DENSE),
)
BASELINES = (TEACHER, PAPER_BASELINE.name)
PUBLISHED: Mapping[str, Published] = {
    "paper_conv_delay": Published(0.9151, 0.0070, 9, f"arXiv 2604.15997; {AUTHORS_README}"),
    "paper_dense_delay": Published(0.9041, 0.0083, 9, AUTHORS_README),
    "paper_dense_delay_2": Published(0.9172, None, None, "summaries of arXiv 2604.15997"),
}


def table_variants(paper: bool, names: Iterable[str] | None = None) -> tuple[Variant, ...]:
    """The variants of a table, the papers' or that of this project, or those of these names.

    Raises UsageError for a name that the table does not have.
    """
    if paper:
        return PAPER_VARIANTS if names is None else select_variants(names, PAPER_VARIANTS)
    return VARIANTS if names is None else select_variants(names)


def baseline(variants: Iterable[Variant]) -> Variant:
    """The dense network that these are compared with: dense_delay, or of the papers' DelRec."""
    papers = {v.name for v in PAPER_VARIANTS}
    if any(v.name in papers for v in variants):
        return PAPER_BASELINE
    return next(v for v in VARIANTS if v.name == TEACHER)


def steps_of(variants: Iterable[Variant], default: int) -> int:
    """Steps of a sample, the same for all. Raises UsageError where they differ."""
    steps = {v.options.get("steps", default) for v in variants}
    if len(steps) > 1:
        raise UsageError(
            f"these variants need samples of {' and '.join(map(str, sorted(steps)))} steps; measure "
            "them apart"
        )
    return steps.pop() if steps else default
