"""Where a value comes from: outputs, their sums, and values that are repeated."""

from __future__ import annotations

import torch

from delrec_compile.interop.torch_wiring import Source, Wiring


def wiring() -> tuple[Wiring, dict[str, torch.Tensor]]:
    r = torch.Generator().manual_seed(0)
    own = Wiring()
    values = {"x": torch.poisson(torch.ones(1, 12), generator=r)}
    values |= {name: torch.randn(1, 3, 4, generator=r) for name in "abc"}
    for name, value in values.items():
        own.send(name, value)
    return own, values


def test_an_output_is_found_in_any_shape() -> None:
    own, v = wiring()
    assert own.of(v["b"].flatten(1)) == Source(("b",), (0,))
    assert own.of(v["b"].clone()) == Source(("b",), (0,))
    assert own.of(v["b"].flip(2)) is None
    assert own.of(v["b"] * 1.001) is None
    assert own.of("b") is None


def test_the_input_itself_is_needed_not_what_equals_it() -> None:
    own, v = wiring()
    assert own.of(v["x"].view(3, 4)) == Source(("x",), (0,))
    assert own.of(v["x"].clamp(0, 31)) is None  # equal here, not of every input


def test_sums_of_two_and_three() -> None:
    own, v = wiring()
    assert own.of(v["a"] + v["c"]) == Source(("a", "c"), (0, 0))
    assert own.of(v["c"] + v["a"] + v["b"]) == Source(("a", "b", "c"), (0, 0, 0))
    assert own.of(v["a"] - v["c"]) is None
    assert own.of(v["a"] + v["a"]) is None
    assert own.of(v["a"] + 0.9999 * v["b"]) is None
    assert own.of(v["x"].view(1, 3, 4) + v["b"]) is None


def test_values_that_are_repeated_and_runs_that_are_repeated() -> None:
    own, v = wiring()
    assert own.of(v["x"].repeat(5, 1)) == Source(("x",), (0,), 5)
    again = torch.randn(1, 3, 4)
    own.send("a", again)
    assert own.of(again) == Source(("a",), (1,))
    assert own.of(v["a"]) == Source(("a",), (0,))


def test_a_sum_in_place_is_a_sum() -> None:
    own, v = wiring()
    kept = v["a"].clone()
    v["a"] += v["b"]
    assert own.of(v["a"]) == Source(("a", "b"), (0, 0))
    assert own.of(kept) == Source(("a",), (0,))
