"""Windows over maps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from delrec_compile.errors import NetworkError
from delrec_compile.ops.window import Window


def test_places_are_those_of_torch() -> None:
    window = Window((3, 2), (2, 1), (1, 0), dilation=(2, 3))
    pool = nn.MaxPool2d((3, 2), (2, 1), (1, 0), (2, 3))
    assert window.places(9, 8) == tuple(pool(torch.zeros(1, 9, 8)).shape[1:])
    assert window.extent == (5, 4)


def test_an_end_may_reach_further_or_crop() -> None:
    assert Window((2, 2), (2, 2), end=(1, 0)).places(5, 5) == (3, 2)
    cropping = Window((2, 2), end=(-1, 0))
    assert (cropping.places(5, 5), cropping.cropped) == ((3, 4), (1, 0))
    assert Window((3, 3), pad=(1, 1), end=(1, 1)) == Window((3, 3), pad=(1, 1))


def test_attributes_lead_back() -> None:
    for window in (Window((2, 2)), Window((3, 1), (2, 1), (1, 0), (2, 0), (1, 2))):
        assert Window.of(**window.attributes()) == window
    assert set(Window((2, 2)).attributes()) == {"size", "stride", "pad"}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(NetworkError, match="below the kernel's size"):
        Window((2, 2), pad=(2, 0))
    with pytest.raises(NetworkError, match="does not fit maps of"):
        Window((3, 3)).places(2, 5)
    with pytest.raises(NetworkError, match="must be 1 or more"):
        Window((2, 0))
