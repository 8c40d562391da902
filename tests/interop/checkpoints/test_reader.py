"""The layout of a checkpoint: told by its keys, under the prefixes of wrappers too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fixtures.authors import saved
from helpers import refusal

import delrec_compile
from delrec_compile.errors import UsageError
from delrec_compile.interop.checkpoints.reader import layout_of, plan_checkpoint


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("model.0.P", "SNN-delays"),
        ("module.model.4.P", "SNN-delays"),
        ("l1.tau_u_trainer.weight", "SE-adLIF"),
        ("layers.0.P", None),
        ("fc.weight", None),
    ],
)
def test_layouts(key: str, code: str | None) -> None:
    found = layout_of(["a.b", key])
    assert (found[0] if found else None) == code


def test_delrec_is_read_as_before(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-shd")
    assert delrec_compile.from_checkpoint(path).network.notes["recipe"] == "delrec-shd"
    with refusal(UsageError, "q: a factor of SE-adLIF's neurons", 2):
        delrec_compile.from_checkpoint(path, q=1.0)


def test_a_plan_lists_layers_and_the_refusal(tmp_path: Path) -> None:
    state = {"l1.weight": torch.ones(2, 3), "l1.tau_u_trainer.weight": torch.ones(2)}
    torch.save(state, tmp_path / "a.pt")
    plan = plan_checkpoint(tmp_path / "a.pt")
    assert [(p.name, p.becomes) for p in plan.parts[:2]] == [
        ("l1", "weight [2, 3]"),
        ("l1.tau_u_trainer", "weight [2]"),
    ]
    assert plan.parts[2].refused == "one layer; neurons and a readout are required"
