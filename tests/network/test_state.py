"""Names of state variables."""

from __future__ import annotations

import cases

from delrec_compile.network.state import HISTORY, READOUT, layer_prefix, past, present


def test_names_are_made_of_a_prefix_and_a_variable() -> None:
    assert past(layer_prefix(3) + "v") == "past_l3_v"
    assert present(READOUT + "v") == "present_out_v"
    names = [s.name for s in cases.network("mixed").state()]
    assert names[:2] == [layer_prefix(0) + "v", layer_prefix(0) + HISTORY]
