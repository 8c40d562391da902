"""The plan of a checkpoint: every layer, and every refusal."""

from __future__ import annotations

from pathlib import Path

import torch
from fixtures.authors import SCRIPTS, N, Net, lif, saved
from helpers import refusal

from delrec_compile.errors import CheckpointError
from delrec_compile.interop.delrec.plan import plan_checkpoint


def test_a_row_for_each_layer(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "conv-delrec-shd")
    plan = plan_checkpoint(path)
    assert (plan.ok, plan.exit_code, plan.form) == (True, 0, "a checkpoint")
    assert [(p.name, p.kind, p.becomes) for p in plan.parts] == [
        ("layers.0", "Linear", "weights from 9 to 12 values"),
        ("layers.1", "BatchNorm1d", "folded into weights"),
        ("layers.5", "Linear", "weights from 12 to 12 values"),
        ("layers.6", "BatchNorm1d", "folded into weights"),
        ("layers.7", "recurrent neurons", "a kernel of 5 taps, delays up to 8"),
        ("layers.10", "Linear", "weights from 12 to 4 values"),
    ]
    assert plan.remarks[0].startswith("neurons of conv-delrec-shd")


def test_learned_decays_and_delays_of_synapses(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-shd", node=lif(1.5, parametric=True), synaptic=True)
    texts = {p.name: (p.kind, p.becomes) for p in plan_checkpoint(path).parts}
    assert texts["layers.2"] == ("ParametricLIFNode", "neurons, beta from its w")
    recurrent = "a matrix of 12 neurons, delays up to 8 for each synapse"
    assert texts["layers.7"] == ("recurrent neurons", recurrent)


def test_every_refusal_is_listed(tmp_path: Path) -> None:
    state = dict(Net(SCRIPTS["delrec-shd"]).state_dict())
    state |= {
        "other": torch.zeros(2),
        "layers.7.gate": torch.zeros(2),
        "layers.12.bias": torch.ones(1),
    }
    state |= {"layers.5.weight": torch.zeros(N, N, 1), "layers.5.P": torch.zeros(1, N, N, 1)}
    torch.save({"net": state}, tmp_path / "best.pth")
    plan = plan_checkpoint(tmp_path / "best.pth")
    assert plan.exit_code == 4
    assert [(p.name, p.refused) for p in plan.refused] == [
        ("other", "unknown; keys of 'layers.<i>.' are required"),
        (
            "layers.7",
            "gate: unknown; allowed: recurrent_kernel, recurrent_weights, recurrent_delays, p_spread, "
            "recurrent_bias, w, neuron_module.w",
        ),
        ("layers.12", "has bias and no weights"),
    ]
    told = {part.name: part.becomes for part in plan.parts}
    assert told["layers.5"] == f"weights from {N} to {N} values, a delay for each synapse"


def test_what_no_layer_tells_is_a_row_of_the_file(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "conv-delrec-shd-a808d99")
    (part,) = plan_checkpoint(path).refused
    assert part.name == str(path)
    assert part.refused.startswith("the file does not tell which neurons it was trained with")
    assert plan_checkpoint(path, recipe="conv-delrec-shd-a808d99").ok


def test_a_file_that_cannot_be_read_has_no_plan(tmp_path: Path) -> None:
    (tmp_path / "best.pth").write_text("text")
    with refusal(CheckpointError, "is no file of torch.save", 3):
        plan_checkpoint(tmp_path / "best.pth")
