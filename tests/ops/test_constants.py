"""Constants of neurons: numbers and arrays, as they are checked and read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from delrec_compile.errors import NetworkError
from delrec_compile.ops.constants import as_tensor, number, value_at, wrong


def test_a_constant_is_a_float32_or_an_array_of_them() -> None:
    assert number("lif", "beta", 0.1) == float(np.float32(0.1))
    np.testing.assert_array_equal(number("lif", "beta", [0.1, 1]), np.float32([0.1, 1]))
    with pytest.raises(NetworkError, match="lif: beta is inf; a finite number is required"):
        number("lif", "beta", 1e40)


def test_the_first_wrong_value_is_told() -> None:
    values = np.float32([0.5, 2, 3])
    assert wrong(values, values > 1) == ("2.0", 1)
    assert wrong(0.5, np.bool_(False)) == ("", 0)
    assert (value_at(values, 2), value_at(0.5, 2)) == (3.0, 0.5)


def test_torch_takes_it_in_its_own_type() -> None:
    like = torch.zeros(1, dtype=torch.float64)
    assert as_tensor(np.float32([1, 2]), like).dtype == torch.float64
    assert as_tensor(0.5, like) == 0.5
