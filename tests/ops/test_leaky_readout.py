"""The leaky readout against its formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.ops import grid, history
from helpers import refusal

from delrec_compile.errors import NetworkError
from delrec_compile.ops.count_readout import CountReadout
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.synaptic_readout import SynapticReadout

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("beta", [0.3, (0.3, 0.5, 0.9)])
def test_it_is_its_formula_and_equals_torch(beta: Any) -> None:
    out = LeakyReadout(grid(RNG, 3, 5), grid(RNG, 3), beta)
    spikes = history(RNG, 2, 4, 5)[:, 0]
    v = RNG.normal(size=(2, 3)).astype(np.float32)
    state = {"v": v}
    y, new = out.reference(spikes, state)
    np.testing.assert_array_equal(y, np.float32(beta) * v + (spikes @ out.weight.T + out.bias))
    np.testing.assert_array_equal(new["v"], y)
    current = torch.from_numpy(spikes @ out.weight.T + out.step_bias)
    past = {k: torch.from_numpy(value) for k, value in state.items()}
    constants = [torch.from_numpy(value) for value in out.constants().values()]
    have, after = out.torch_form(current, past, *constants)
    np.testing.assert_array_equal(have.numpy(), y)
    assert after.keys() == new.keys() == out.states.keys()


def test_outputs_with_one_beta_share_it_and_others_fit_their_number() -> None:
    zeros = np.zeros(3, np.float32)
    assert LeakyReadout.in_graph(zeros, beta=[0.5, 0.5, 0.5]).beta == 0.5
    own = LeakyReadout.in_graph(zeros, beta=[0.5, 0.25, 0.5])
    assert own.attributes()["beta"] == [0.5, 0.25, 0.5]
    with refusal(NetworkError, "readout: 2 values of beta; 1 or 3 are required", 3):
        LeakyReadout.in_graph(zeros, beta=[0.5, 0.25])
    with refusal(NetworkError, "readout: beta is 1.5; allowed: 0 <= beta <= 1", 3):
        LeakyReadout.in_graph(zeros, beta=[0.5, 0.25, 1.5])
    with refusal(NetworkError, "readout: 2 values of alpha; 1 or 3 are required", 3):
        SynapticReadout.in_graph(zeros, beta=0.5, alpha=[0.5, 0.25])
    with refusal(NetworkError, "readout: 3 values of beta; 1 are required", 3):
        CountReadout.in_graph(zeros, beta=[0.5, 0.25, 0.5])
