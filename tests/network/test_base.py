"""What both forms of a network share: their checks, their state, notes as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from delrec_compile.errors import NetworkError
from delrec_compile.network.base import BaseNetwork, own_state, prefixed


@dataclass(frozen=True)
class Part:
    """A layer or a readout of the least that a network asks for."""

    size: int


class Net(BaseNetwork[Part, Part]):
    """A network whose step does nothing."""

    def _check_parts(self) -> None:
        pass

    def step(self, x: Any, state: Any, spikes: Any = ()) -> Any:
        return x, state


def net(**changed: Any) -> Net:
    return Net(**{"layers": (Part(4), Part(3)), "readout": Part(2), **changed})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dt_ms": "ten"}, "dt_ms is 'ten'; a number is required"),
        ({"dt_ms": -1.0}, "dt_ms is -1.0; a positive number"),
        ({"max_input": True}, "max_input is True; a number"),
        ({"max_input": 2.5}, "max_input is 2.5; allowed: 1 to 255"),
        ({"labels": ("a", "b", "c")}, "3 labels for 2 classes"),
        ({"notes": {"at": {1}}}, r"notes: \{1\} is a set; allowed: text, numbers, lists, tables"),
    ],
)
def test_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        net(**changed)


def test_values_are_those_that_a_file_would_hold() -> None:
    made = net(dt_ms=np.float32(2.5), notes={"data": Path("a/b"), "rate": np.arange(2)})
    assert type(made.dt_ms) is float
    assert made.notes == {"data": "a/b", "rate": [0, 1]}


def test_local_and_full_names() -> None:
    state = {"l0_v": np.ones(1), "l1_v": np.zeros(1)}
    assert own_state("l1_", {"v": ""}, state)["v"] is state["l1_v"]
    assert prefixed("l1_", {"v": state["l1_v"]}).keys() == {"l1_v"}


def test_real_inputs_have_a_largest_size_in_whole_units() -> None:
    real = net(input_bits=4, max_input=0.5)
    assert (real.largest_units, real.real_input.bits) == (8, 4)
    assert net(max_input=7).real_input is None
    assert net(max_input=7).largest_units == 7
    with pytest.raises(NetworkError, match=r"max_input is 0\.5; allowed: 1 to 255"):
        net(max_input=0.5)
    with pytest.raises(NetworkError, match="a multiple of"):
        net(input_bits=4, max_input=0.51)
