"""Convolutional layers before the others."""

from __future__ import annotations

from typing import Any

import pytest
from fixtures.training import run

from delrec_compile.errors import UsageError
from delrec_compile.network import grid
from delrec_compile.training.frontend import layers


def test_a_frontend_trains() -> None:
    result = run(frontend="4x5/2,3x3", lr=1e-2, epochs=3)
    losses = [epoch.loss for epoch in result.history]
    assert losses[-1] < 0.9 * losses[0]
    first, second, *_ = result.network.layers
    assert [layer.maps.out for layer in (first, second) if layer.maps] == [(4, 1, 6), (3, 1, 6)]
    assert grid.exact(result.network)
    assert "--set frontend=4x5/2,3x3" in result.network.notes["command"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frontend": "8"}, "frontend is '8'; each layer is <channels>x<kernel>"),
        ({"frontend": "8x0"}, "frontend is '8x0': .*size"),
        (
            {"frontend": "8x3", "frontend_height": 5},
            "frontend_height is 5; it must divide the data's 12 channels",
        ),
    ],
)
def test_a_frontend_that_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(**options)


def test_layers_follow_each_other_on_rows_and_on_maps() -> None:
    row = layers("8x5/2,16x3", 20, 1)
    assert [(m.kernel, m.stride, m.pad, m.out) for m in row] == [
        ((8, 1, 1, 5), (1, 2), (0, 2), (8, 1, 10)),
        ((16, 8, 1, 3), (1, 1), (0, 1), (16, 1, 10)),
    ]
    (square,) = layers("4x3/2", 36, 6)
    assert (square.kernel, square.stride, square.out) == ((4, 1, 3, 3), (2, 2), (4, 3, 3))
    assert layers("", 20, 1) == ()
