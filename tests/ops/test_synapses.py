"""What a recurrence has without saying so."""

from __future__ import annotations

import numpy as np

from delrec_compile.compiler.kernels.float32 import GridFormat
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.dense_delay import DenseDelay


def test_a_recurrence_without_rows_or_attributes() -> None:
    r = ConvDelay([0.25, 0.5, 0.25], [1, 2, 3])
    assert r.rows == []
    assert r.attributes() == {}
    form = GridFormat(2, (0, 1, 2))
    assert r.gpu_tables(form).keys() == r.tables(form).keys()
    assert r.tables(form)["kernel"].tolist() == [1, 2, 1]


def test_the_name_of_a_recurrence_is_its_kind() -> None:
    r = DenseDelay(np.eye(2), [0, 1])
    assert r.name == r.kind == "dense_delay"
    assert (r.node, r.node_attributes()) == ("DenseDelay", {})
