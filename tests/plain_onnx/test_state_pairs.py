"""State by its usual names: pairs that are clear are taken, others are refused with the candidates."""

from __future__ import annotations

import onnx
import pytest
from fixtures.plain_steps import HEAD
from helpers import refusal

from delrec_compile.errors import ModelError
from delrec_compile.plain_onnx.state_pairs import found

USUAL = """
past_key_values.0.key=present.0.key past.1=present.1 h_in=h_out conv_cache=conv_cache_out
prev_h=next_h h=hn h0=hn h_0=h_n state=stateN hidden=new_hidden input_states=output_states
state_in=state_out in_h=out_h cache=updated_cache h=h_out init_c=final_c hidden_old=hidden_new
lstm.h_prev=lstm.h_next past_h=h_out
"""


def step(ins: dict[str, str], outs: dict[str, str]) -> onnx.ModelProto:
    """A graph of these inputs and outputs, by their extents; its nodes do not matter."""
    sides = [", ".join(f'float[{e}] "{n}"' for n, e in side.items()) for side in (ins, outs)]
    return onnx.parser.parse_model(f"{HEAD} m ({sides[0]}) => ({sides[1]}) {{ }}")


@pytest.mark.parametrize("pair", USUAL.split())
def test_usual_names(pair: str) -> None:
    past, present = pair.split("=")
    model = step({"x": "1,4", past: "1,4"}, {"y": "1,4", present: "1,4"})
    assert found(model, {}, "m.onnx") == {past: present}
    other = step({"x": "1,4", past: "1,4"}, {"y": "1,4", present: "1,5"})
    assert found(other, {}, "m.onnx") == {}, "of another shape"


def test_what_a_step_computes_is_no_state() -> None:
    model = step({"audio_in": "1,4", "h": "1,4"}, {"audio_out": "1,4", "h_out": "1,4"})
    assert found(model, {}, "m.onnx") == {"h": "h_out"}
    assert found(step({"input": "1,4"}, {"output": "1,4"}), {}, "m.onnx") == {}
    model = step({"x": "1,4", "past_h": "1,4"}, {"y": "1,4", "present_h": "1,4"})
    assert found(model, {}, "m.onnx") == {}, "of this project's names: they stay"


def test_what_is_not_clear_names_the_candidates() -> None:
    model = step({"x": "1,4", "h": "1,4", "h_in": "1,4"}, {"y": "1,4", "h_out": "1,4"})
    message = "'h_out' may be --state h=h_out or --state h_in=h_out; say which"
    with refusal(ModelError, message, 3):
        found(model, {}, "m.onnx")
    assert found(model, {"h": "h_out"}, "m.onnx") == {}
    model = step({"a_in": "1,4", "b_in": "1,4"}, {"a_out": "1,4", "b_out": "1,4"})
    message = "every input looks like state.*: --state a_in=a_out or --state b_in=b_out"
    with refusal(ModelError, message, 3):
        found(model, {}, "m.onnx")
    assert found(model, {"a_in": "a_out"}, "m.onnx") == {}
