"""The counting readout against its formula."""

from __future__ import annotations

import numpy as np
import torch
from fixtures.ops import grid, history

from delrec_compile.ops.count_readout import CountReadout

RNG = np.random.default_rng(11)


def test_it_is_its_formula_and_equals_torch() -> None:
    out = CountReadout(grid(RNG, 3, 5), grid(RNG, 3))
    spikes = history(RNG, 2, 4, 5)[:, 0]
    v = RNG.normal(size=(2, 3)).astype(np.float32)
    state = {"v": v}
    y, new = out.reference(spikes, state)
    np.testing.assert_array_equal(new["v"], v + spikes @ out.weight.T)
    np.testing.assert_array_equal(y, new["v"] + out.bias)
    current = torch.from_numpy(spikes @ out.weight.T + out.step_bias)
    past = {k: torch.from_numpy(value) for k, value in state.items()}
    constants = [torch.from_numpy(value) for value in out.constants().values()]
    have, after = out.torch_form(current, past, *constants)
    np.testing.assert_array_equal(have.numpy(), y)
    assert after.keys() == new.keys() == out.states.keys()
