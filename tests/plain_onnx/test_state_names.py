"""State under names of its own: pairs that the user gives, and those that a graph suggests."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from fixtures.plain_steps import HEAD, written
from helpers import refusal

from delrec_compile.errors import ModelError, UsageError
from delrec_compile.plain_onnx.state_names import pairs_of, renamed, suggested
from delrec_compile.plain_onnx.step_graph import read

OWN = """
own (float[N,3] x, float[N,4] h_in, float[N,5] c_in)
=> (float[N,2] y, float[N,4] h_out, float[N,5] c_out)
<float[3,4] w = {0.5, -1, 2, 0.25, 1, 1, -0.5, 0.75, -2, 0.1, 0.3, 1},
 float[4,2] r = {1, 2, 3, 4, 5, 6, 7, 8},
 bool on = {1}>
{
    a = MatMul (x, w)
    b = Add (h_in, a)
    h_out = If (on) <then_branch = t () => (float[N,4] u) { u = Tanh (h_in) },
                     else_branch = e () => (float[N,4] v) { v = Tanh (b) }>
    y = MatMul (h_out, r)
    c_out = Neg (c_in)
}
"""
PAIRS = {"h_in": "h_out", "c_in": "c_out"}


def test_pairs_are_renamed_wherever_they_stand(tmp_path: Path) -> None:
    graph = read(written(OWN, tmp_path / "own.onnx"), state=PAIRS)
    assert [p.name for p in graph.past] == ["past_h_in", "past_c_in"]
    assert [p.name for p in graph.present] == ["present_h_in", "present_c_in"]
    onnx.checker.check_model(graph.proto, full_check=True)
    text = onnx.printer.to_text(graph.proto)
    for name in (*PAIRS, *PAIRS.values()):
        assert f" {name}" not in text.replace("past_", "").replace("present_", "") or name in PAIRS
        assert f"({name}" not in text


def test_pairs_are_suggested_where_each_has_one_counterpart(tmp_path: Path) -> None:
    path = written(OWN, tmp_path / "own.onnx")
    assert suggested(onnx.load(path)) == PAIRS
    path = written(OWN.replace("float[N,5]", "float[N,4]"), path)
    assert suggested(onnx.load(path)) == PAIRS, "by their names"
    other = OWN.replace("c_in", "q").replace("c_out", "other")
    assert suggested(onnx.load(written(other, path))) == {"h_in": "h_out", "q": "other"}, "by shape"
    with refusal(ModelError, "2 inputs .*; these look like state: --state q=other", 3):
        read(path)


def test_what_comes_first_is_the_step_itself() -> None:
    """Names that a converter made up say nothing."""
    text = (
        "m (float[1,7] input_4, float[1,2] input_5) "
        "=> (float[1,7] activation_2, float[1,2] tf_op_layer_stack_5) "
        "{ activation_2 = Abs (input_4) tf_op_layer_stack_5 = Abs (input_5) }"
    )
    assert suggested(onnx.parser.parse_model(HEAD + text)) == {"input_5": "tf_op_layer_stack_5"}


def test_nothing_is_suggested_where_nothing_fits() -> None:
    text = "m (float[N,3] x, float[N,3] z) => (float[N,2] y) { y = Identity (x) }"
    assert suggested(onnx.parser.parse_model(HEAD + text)) == {}


@pytest.mark.parametrize(
    ("texts", "pairs"),
    [(["a=b", "c=d"], {"a": "b", "c": "d"}), ([], {}), (["a=b=c"], {"a": "b=c"})],
)
def test_texts_are_pairs(texts: list[str], pairs: dict[str, str]) -> None:
    assert pairs_of(texts) == pairs


@pytest.mark.parametrize("texts", [["a"], ["a="], ["=b"], ["a=b", "a=c"], ["a=b", "c=b"]])
def test_what_is_no_pair_is_refused(texts: list[str]) -> None:
    with refusal(UsageError, "a pair INPUT=OUTPUT is required", 2):
        pairs_of(texts)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ({"h": "h_out"}, "no input 'h'; there are: x, h_in, c_in"),
        ({"h_in": "h"}, "no output 'h'; there are: y, h_out, c_out"),
    ],
)
def test_names_that_are_not_there(pairs: dict[str, str], words: str) -> None:
    with refusal(ModelError, words, 3):
        renamed(onnx.parser.parse_model(HEAD + OWN), pairs, "m.onnx")


def test_a_name_that_is_taken_is_refused() -> None:
    text = OWN.replace("a = MatMul", "past_h_in = MatMul").replace("h_in, a)", "h_in, past_h_in)")
    with refusal(ModelError, "the name 'past_h_in' is taken", 3):
        renamed(onnx.parser.parse_model(HEAD + text), PAIRS, "m.onnx")
