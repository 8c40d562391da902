"""Checkpoints as the authors' scripts save them, beside the model that a script trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.authors import SCRIPTS, Net, counts, lif, saved
from helpers import refusal

import delrec_compile
from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop.delrec.recipes import BY_NAME, SSC_STEP_MS
from delrec_compile.interop.result import Imported
from delrec_compile.ops.readout import decide
from delrec_compile.runners.reference import ReferenceRunner

# files of other scripts fit these as well
ASKED = {
    "conv-delrec-shd-a808d99": "conv-delrec-shd-a808d99 .*, conv-delrec-shd-b80b9a2",
    "conv-delrec-shd-b80b9a2": "conv-delrec-shd-a808d99 .*, conv-delrec-shd-b80b9a2",
    "conv-delrec-ssc-b80b9a2": "conv-delrec-ssc .*, conv-delrec-ssc-b80b9a2",
    "conv-delrec-psmnist-b80b9a2": "conv-delrec-psmnist .*, conv-delrec-psmnist-b80b9a2",
}


def same(made: Imported, net: Net, sigma: float = 0.0) -> None:
    """Every spike of the script's model, and every class as its test takes it."""
    x = counts(made.network.inputs)
    spikes, y = net.run(x, sigma)
    ours = ReferenceRunner(made.unfrozen).trace(x)
    for a, b in zip(ours.spikes, spikes, strict=True):
        assert 50 < b.sum() < b.size - 50
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(ours.y, y, atol=1e-4)
    classes = decide(made.unfrozen.readout.decision, ours.y)
    np.testing.assert_array_equal(classes, net.classes(y))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_spike_and_class_of_each_script(name: str, tmp_path: Path) -> None:
    net, path = saved(tmp_path, name)
    if name in ASKED:
        with refusal(UnsupportedError, ASKED[name], 4, tmp_path):
            delrec_compile.import_model(path)
    made = delrec_compile.import_model(path, recipe=name if name in ASKED else None)
    assert made.network.notes["recipe"] == name
    assert made.network.dt_ms == (pytest.approx(SSC_STEP_MS) if "-ssc" in name else 10.0)
    assert made.remarks[0].startswith(f"neurons of {name} (")
    assert any("each spike arrives once" in remark for remark in made.remarks)
    same(made, net)
    for layer, fires in zip(made.unfrozen.layers, net.fires(), strict=True):
        assert layer.lif.fires == fires  # no random membrane is at the threshold


def test_every_recipe_has_a_script() -> None:
    assert set(SCRIPTS) == set(BY_NAME)


# name, changes of the script, options of the import
VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "all layers recurrent": ("delrec-shd", {"first": True}, {}),
    "no recurrence": ("delrec-shd", {"recurrent": False}, {}),
    "no bias": ("delrec-shd", {"bias": False}, {}),
    "soft": ("delrec-shd", {"node": lif(1.05, None)}, {"reset": "soft"}),
    "a delay for each synapse": ("delrec-shd", {"synaptic": True}, {}),
    "a delay for each synapse, ssc": ("delrec-ssc", {"synaptic": True}, {}),
    "learned decays": ("delrec-shd", {"node": lif(1.5, parametric=True)}, {}),
    "learned decays, ssc": ("delrec-ssc", {"node": lif(1.5, None, parametric=True)}, {}),
    "no recurrence, ssc": ("delrec-ssc", {"recurrent": False}, {}),
    "BatchNorm of spikes": ("delrec-ssc", {"norm": "plain"}, {}),
    "BatchNorm of spikes, wrapped": ("conv-delrec-ssc", {"norm": "bn"}, {}),
    "BatchNorm of spikes, no recurrence": (
        "delrec-ssc",
        {"norm": "plain", "recurrent": False},
        {},
    ),
    "penalised spikes": ("delrec-equiparam-shd", {"beside": ("acc", "epoch")}, {}),
    "main of delrec_snn": ("delrec-shd", {"norm": "bn"}, {}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_spike_of_other_options_of_the_scripts(name: str, tmp_path: Path) -> None:
    script, changes, options = VARIANTS[name]
    net, path = saved(tmp_path, script, **changes)
    made = delrec_compile.import_model(path, **options)
    assert made.network.notes["recipe"] == script
    same(made, net)


@pytest.mark.parametrize("sigma", [0.06, 0.58, 0.0])
def test_a_spread_that_kernels_keep(sigma: float, tmp_path: Path) -> None:
    net, path = saved(tmp_path, "conv-delrec-shd")
    same(delrec_compile.import_model(path, sigma=sigma), net, sigma)


def test_a_wide_spread(tmp_path: Path) -> None:
    net, path = saved(tmp_path, "conv-delrec-shd")
    for m in net.modules():
        if hasattr(m, "recurrent_delays"):
            m.recurrent_delays.data += 2
    net.save(path)
    made = delrec_compile.import_model(path, sigma=1.7)
    recurrence: Any = made.network.layers[1].recurrence
    assert recurrence.heads == 5
    same(made, net, 1.7)


@pytest.mark.parametrize("script", ["delrec-shd", "delrec-ssc", "delrec-equiparam-shd"])
def test_forward_delays(script: str, tmp_path: Path) -> None:
    """Two delays for each forward synapse; of SSC beside recurrent ones."""
    length = 31 if script == "delrec-ssc" else 25
    recurrent = script == "delrec-ssc"
    net, path = saved(tmp_path, script, forward_delays=length, recurrent=recurrent)
    made = delrec_compile.import_model(path, recipe=script)
    same(made, net)
    assert any(
        f"forward delays of kernels of {length} steps, as {script}" in r for r in made.remarks
    )
    kinds = [p.synapses.kind for p in made.network.spiking[1].projections]
    assert kinds.count("synaptic_delay") == 2
    longer = delrec_compile.import_model(path, recipe=script, kernel_length=length + 2)
    assert longer.network.max_delay == made.network.max_delay + 1


def test_positions_outside_of_the_kernels(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-shd", forward_delays=25, recurrent=False)
    with refusal(
        UsageError, r"layers.5.P: a position of 12 .* -11 to 11; --kernel-length is 25", 2
    ):
        delrec_compile.from_checkpoint(path, recipe="delrec-shd", kernel_length=23)


def test_constants_of_one_layer(tmp_path: Path) -> None:
    """Those of the newest code, said by hand on top of another recipe."""
    net, path = saved(tmp_path, "conv-delrec-shd")
    options: dict[str, Any] = {"recipe": "delrec-shd", "tau": 1.1685654746037886}
    texts = ["1:gain=leak", "1:fires=above"]
    made = delrec_compile.import_model(path, **options, layers=texts)
    same(made, net)
    assert "looks like one of conv-delrec-shd, not of delrec-shd" in made.remarks[0]
    dicts = {1: {"gain": "leak", "fires": "above"}}
    assert delrec_compile.import_model(path, **options, layers=dicts).remarks == made.remarks


def test_options_for_all_layers(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-shd")
    made = delrec_compile.from_checkpoint(
        path, tau=2.0, gain="leak", reset="soft", threshold=0.5, layers=["readout:gain=2"]
    )
    for layer in made.network.layers:
        lif = layer.lif
        assert (lif.beta, lif.gain, lif.reset, lif.threshold) == (0.5, 0.5, "soft", 0.5)
    assert made.network.readout.beta == 0.5
    assert "readout: beta 0.5, gain 2" in made.remarks[0]


def test_a_threshold_of_the_script(tmp_path: Path) -> None:
    def half(**others: Any) -> Any:
        return lif(1.05)(**{"v_threshold": 0.5, **others})

    net, path = saved(tmp_path, "delrec-shd", node=half)
    same(delrec_compile.from_checkpoint(path, threshold=0.5), net)


WRONG: dict[str, tuple[dict[str, Any], type[Any], str]] = {
    "length": ({"kernel_length": 4}, UsageError, "kernel_length is 4; an odd number"),
    "negative": ({"sigma": -1.0}, UsageError, "sigma is -1.0"),
    "recipe": ({"recipe": "mnist"}, UsageError, "unknown recipe 'mnist'; allowed: delrec-shd, "),
    "tau": ({"tau": 0.5}, UsageError, "all layers: tau is 0.5; 1 step or more"),
    "reset": ({"reset": "never"}, UsageError, "unknown reset 'never'; allowed: hard"),
    "layer": ({"layers": {2: {"gain": 1}}}, UsageError, "layer 2: .* spiking layers 0 to 1"),
    "readout": ({"layers": ["readout:fires=at"]}, UsageError, "readout: unknown field 'fires'"),
    "beta": ({"layers": ["0:beta=2"]}, UsageError, "layer 0: beta is 2; allowed: 0 <= beta"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options(name: str, tmp_path: Path) -> None:
    options, kind, message = WRONG[name]
    _, path = saved(tmp_path, "delrec-shd")
    with refusal(kind, message, kind.exit_code):
        delrec_compile.from_checkpoint(path, **options)


def test_a_readout_without_neurons_has_no_constants(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-ssc")
    with refusal(UsageError, "that of delrec-ssc has no neurons to change", 2):
        delrec_compile.from_checkpoint(path, layers={"readout": {"tau": 2}})


def test_check_compares_with_the_model_before_freezing(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-shd")
    found = delrec_compile.from_checkpoint(path).check(50)
    assert found.against == "the model before freezing"
    assert found.spikes > 0


def test_a_threshold_that_no_network_has(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-shd")
    with refusal(UsageError, "layer 0: lif: v_reset 0.0 is not below the threshold -1.0", 2):
        delrec_compile.from_checkpoint(path, threshold=-1.0)


def test_layers_with_the_same_constants_are_told_as_one(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-shd")
    told = delrec_compile.from_checkpoint(path).remarks[0]
    assert ": every layer: beta 0.047619, gain 1, fires at 1, reset hard; readout: beta" in told
    told = delrec_compile.from_checkpoint(path, layers=["1:fires=above"]).remarks[0]
    assert "layer 0: beta 0.047619, gain 1, fires at 1, reset hard; layer 1: beta 0.0" in told
