"""Constants of layers as texts and dicts."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.interop.delrec.constants import Constants, layer_changes


def test_texts_and_dicts_say_the_same() -> None:
    texts = ["0:gain=1,fires=at", "readout: tau = 2", "0:beta=0.5"]
    assert layer_changes(texts) == {
        0: {"gain": "1", "fires": "at", "beta": "0.5"},
        "readout": {"tau": "2"},
    }
    assert layer_changes({"0": {"gain": 1}, "readout": "tau=2"}) == {
        0: {"gain": 1},
        "readout": {"tau": "2"},
    }
    assert layer_changes("1:fires=above") == {1: {"fires": "above"}}


def test_changes() -> None:
    own = Constants(0.25).changed("layer 0", {"tau": "4", "gain": "leak", "threshold": "0.5"})
    assert own == Constants(0.75, None, threshold=0.5)
    assert own.factor == 0.25
    assert own.changed("layer 0", {"gain": "one"}).factor == 1.0
    lif = own.lif("layer 0")
    assert (lif.beta, lif.gain, lif.threshold) == (0.75, 0.25, 0.5)
    assert own.text() == "beta 0.75, gain 0.25, fires at 0.5, reset hard"


WRONG: dict[str, tuple[Any, str]] = {
    "no colon": (["gain=1"], "layer 'gain=1': a layer and its constants are required, such as 0:"),
    "no name": (["first:gain=1"], "layer 'first': a number from 0, or 'readout'"),
    "negative": (["-1:gain=1"], "layer '-1': a number from 0"),
    "bool": ({True: {"gain": 1}}, "layer 'True': a number from 0"),
    "no value": (["0:gain"], "layer '0:gain': 'gain' is not name=value"),
    "empty": (["0:"], "is not name=value"),
    "a number": (3, "layers is 3; constants by layer"),
    "no dict": ({0: 3}, "layer 0: name=value of beta, tau"),
    "field": (["0:leak=1"], "layer 0: unknown field 'leak'; allowed: beta, tau, gain"),
    "word": (["0:fires=never"], "layer 0: unknown fires 'never'; allowed: at, above"),
    "number": (["0:beta=x"], "layer 0: beta is 'x'; a finite number is required"),
    "gain": (["0:gain=x"], r"gain is 'x'; a finite number, 'leak' \(1 - beta\) or 'one'"),
    "infinite": (["0:tau=inf"], "tau is 'inf'; a finite number"),
    "tau": (["0:tau=0.5"], "tau is 0.5; 1 step or more"),
    "beta": (["readout:beta=5"], "beta is 5; allowed: 0 <= beta <= 1"),
    "no gain": (["readout:gain=0"], "gain is 0; a positive number is required"),
    "negative gain": (["0:gain=-1"], "gain is -1; a positive number"),
    "both": (["0:tau=2,beta=0.5"], "beta and tau; one of them"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_layers(name: str) -> None:
    layers, message = WRONG[name]
    with refusal(UsageError, message, 2):
        for changes in layer_changes(layers).values():
            Constants(0.5).changed("layer 0", changes)
