"""The library of a plain step called from Python: state, shapes, and the two lanes apart."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.artifact.plain import PlainArtifact
from delrec_compile.errors import DataError, InputError
from delrec_compile.plain_onnx.session import PlainSession
from delrec_compile.runners.session import Session


def test_state_goes_on_and_starts_afresh(cell: PlainArtifact) -> None:
    session = PlainSession(cell.path)
    x = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    whole = session.run(x)
    assert not np.array_equal(session.run(x), whole)
    session.reset()
    parts = np.concatenate([session.run(x[:4]), session.run(x[4:])])
    np.testing.assert_array_equal(parts, whole)
    with pytest.raises(DataError, match=r"x has shape \[9\]; \[steps, 3\] is required"):
        session.run(x[:, 0])


def test_the_lanes_are_not_mixed_up(cell: PlainArtifact) -> None:
    with pytest.raises(
        InputError, match="is a plain ONNX step; use 'check', 'bench' or PlainSession"
    ):
        Session(cell.path)
    with pytest.raises(InputError, match="plain ONNX step"):
        load_artifact(cell.path)
