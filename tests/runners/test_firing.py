"""How much each layer fired."""

from __future__ import annotations

import numpy as np

from delrec_compile.runners.firing import Firing, silence


def test_rates_are_those_of_each_layer() -> None:
    first, second = np.zeros((4, 2, 3), np.uint8), np.zeros((4, 2, 2), np.float32)
    assert Firing.of([first, second]).silent
    first[1, 0, 2] = first[3, 1, 0] = 1
    firing = Firing.of([first, second])
    assert firing.spikes == (2, 0)
    assert firing.rates == (2 / 24, 0.0)
    assert (firing.silent, firing.silent_layers) == (False, (1,))
    assert firing.as_dict() == {"fired": [2, 0], "rates": [2 / 24, 0.0], "silent": False}


def test_silent_layers_are_named_as_in_the_model() -> None:
    assert silence(()) == ""
    assert "layer 1 never fired" in silence([1])
    assert "layers lif1, 2 never fired" in silence([1, 2], ["lif0", "lif1"])
