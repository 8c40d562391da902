"""The recipe of a file: told by its keys and shapes, or asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures.authors import SCRIPTS, saved
from helpers import refusal

import delrec_compile
from delrec_compile.errors import UnsupportedError, UsageError

# script, changes of it, recipes that the message names
ASKED: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "a kernel of three axes": (
        "conv-delrec-shd-b80b9a2",
        {},
        ("conv-delrec-shd-a808d99", "conv-delrec-shd-b80b9a2"),
    ),
    "a kernel of three axes and five taps": (
        "conv-delrec-shd-b80b9a2",
        {"taps": 5},
        ("conv-delrec-shd", "conv-delrec-shd-a808d99", "conv-delrec-shd-b80b9a2"),
    ),
    "ssc, a kernel of three axes": (
        "conv-delrec-ssc-b80b9a2",
        {"norm": "bn"},
        ("conv-delrec-ssc", "conv-delrec-ssc-b80b9a2"),
    ),
    "no recurrence, delrec_snn": (
        "conv-delrec-shd",
        {"recurrent": False},
        ("delrec-shd", "conv-delrec-shd"),
    ),
    "no recurrence, no BatchNorm": (
        "delrec-ssc",
        {"recurrent": False, "under": "net", "beside": ()},
        ("delrec-ssc", "delrec-shd", "delrec-equiparam-shd"),
    ),
    "no BatchNorm, with biases": (
        "delrec-shd",
        {"norm": ""},
        ("delrec-shd", "delrec-equiparam-shd"),
    ),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_a_file_does_not_tell_is_asked(what: str, tmp_path: Path) -> None:
    script, changes, names = ASKED[what]
    _, path = saved(tmp_path, script, **changes)
    with refusal(UnsupportedError, "the file does not tell which neurons", 4, tmp_path) as _:
        delrec_compile.from_checkpoint(path)
    with pytest.raises(UnsupportedError) as caught:
        delrec_compile.from_checkpoint(path)
    for name in SCRIPTS:
        assert (f" {name} (" in str(caught.value)) == (name in names), name
    for name in names:
        made = delrec_compile.from_checkpoint(path, recipe=name)
        assert not made.remarks[0].startswith("the file looks like")


def test_one_input_tells_psmnist_without_recurrences(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-psmnist", recurrent=False, under="net", beside=())
    made = delrec_compile.from_checkpoint(path)
    assert (made.network.notes["recipe"], made.network.inputs) == ("delrec-psmnist", 1)


# script, the old name, the recipe that it means there
OLD = (
    ("delrec-shd", "shd", "delrec-shd"),
    ("delrec-equiparam-shd", "shd", "delrec-equiparam-shd"),
    ("delrec-ssc", "ssc", "delrec-ssc"),
    ("delrec-psmnist", "ssc", "delrec-psmnist"),
    ("conv-delrec-shd", "shd", "conv-delrec-shd"),
    ("conv-delrec-ssc", "ssc", "conv-delrec-ssc"),
)


@pytest.mark.parametrize(("script", "old", "name"), OLD)
def test_old_names_where_one_recipe_fits(script: str, old: str, name: str, tmp_path: Path) -> None:
    _, path = saved(tmp_path, script)
    assert delrec_compile.from_checkpoint(path, recipe=old).network.notes["recipe"] == name


@pytest.mark.parametrize(
    ("script", "old"), [("conv-delrec-shd-a808d99", "shd"), ("conv-delrec-ssc-b80b9a2", "ssc")]
)
def test_old_names_where_several_fit(script: str, old: str, tmp_path: Path) -> None:
    _, path = saved(tmp_path, script)
    with refusal(UnsupportedError, f"{script} ", 4):
        delrec_compile.from_checkpoint(path, recipe=old)


def test_an_old_name_does_not_guess(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-shd", norm="")
    with refusal(UnsupportedError, "delrec-shd .*delrec-equiparam-shd", 4):
        delrec_compile.from_checkpoint(path, recipe="shd")
    for script, old in (("delrec-ssc", "shd"), ("delrec-shd", "ssc")):
        _, path = saved(tmp_path, script)
        imported = delrec_compile.from_checkpoint(path, recipe=old)
        assert imported.network.notes["recipe"] == f"delrec-{old}"
        told = f"the file looks like one of {script}, not of delrec-{old}"
        assert told in " ".join(imported.remarks), "what was asked for is taken, and not in silence"


def test_unknown_names_list_all(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-shd")
    with refusal(UsageError, "unknown recipe 'conv'; allowed: " + ", ".join(SCRIPTS), 2):
        delrec_compile.from_checkpoint(path, recipe="conv")


def test_a_recipe_of_another_kind_of_file_is_told(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "delrec-ssc")
    made = delrec_compile.from_checkpoint(path, recipe="delrec-shd")
    assert made.remarks[0] == "the file looks like one of delrec-ssc, not of delrec-shd"


def test_keys_in_the_old_place_of_no_layout_are_asked(tmp_path: Path) -> None:
    """A model of one's own in these keys, whose recurrences stand where no script has them."""
    state = {
        "layers.0.weight": torch.ones(3, 2),
        "layers.3.recurrent_weights": torch.ones(3, 3),
        "layers.4.weight": torch.ones(2, 3),
    }
    torch.save(state, tmp_path / "own.pth")
    with refusal(UnsupportedError, "delrec-equiparam-shd .*delrec-ssc", 4, tmp_path):
        delrec_compile.from_checkpoint(tmp_path / "own.pth")
