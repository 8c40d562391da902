"""What comes into a population: the same at every step, where it is made once."""

from __future__ import annotations

from delrec_compile.compiler.kernels.step_inputs import StepInputs, always


def test_always_is_the_same_at_every_step() -> None:
    inputs = StepInputs([1, 2])
    assert always(inputs)(None) is always(inputs)(7) is inputs
    assert (inputs.feed, inputs.whole) == (None, False)
