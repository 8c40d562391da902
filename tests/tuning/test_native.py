"""Costs of a candidate in this process: two forms of call, one result."""

from __future__ import annotations

from pathlib import Path

import cases
import numpy as np
from fixtures.staged import artifact_here

from delrec_compile.runners.session import Session
from delrec_compile.tuning.native import FEW, SEQUENCE, STEPS, in_steps, times


def test_both_forms_of_call_are_timed_and_agree(tmp_path: Path, children_here: None) -> None:
    network = cases.network("conv3")
    session = Session(artifact_here(network, "x86_64", tmp_path, unroll=FEW))
    x = cases.counts(cases.CASES["conv3"], batch=1, steps=4 * FEW)[:, 0]
    stepped = in_steps(session, x)
    session.reset()
    np.testing.assert_array_equal(stepped, session.run(x))
    costs = times(session, x)
    assert set(costs) == {STEPS, SEQUENCE}
    assert min(costs.values()) > 0
