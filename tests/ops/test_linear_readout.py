"""The linear readout against its formula."""

from __future__ import annotations

import numpy as np
import torch
from fixtures.ops import grid, history

from delrec_compile.ops.linear_readout import LinearReadout

RNG = np.random.default_rng(11)


def test_it_is_its_formula_and_equals_torch() -> None:
    out = LinearReadout(grid(RNG, 3, 5), grid(RNG, 3))
    spikes = history(RNG, 2, 4, 5)[:, 0]
    state: dict[str, np.ndarray] = {}
    y, new = out.reference(spikes, state)
    np.testing.assert_array_equal(y, spikes @ out.weight.T + out.bias)
    current = torch.from_numpy(spikes @ out.weight.T + out.step_bias)
    past = {k: torch.from_numpy(value) for k, value in state.items()}
    constants = [torch.from_numpy(value) for value in out.constants().values()]
    have, after = out.torch_form(current, past, *constants)
    np.testing.assert_array_equal(have.numpy(), y)
    assert after.keys() == new.keys() == out.states.keys()
