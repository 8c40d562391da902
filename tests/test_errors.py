"""Errors: each kind has its exit code, and unknown words their nearest known one."""

import pytest

from delrec_compile import errors


def test_every_error_has_its_code():
    kinds = [
        k
        for k in vars(errors).values()
        if isinstance(k, type) and issubclass(k, errors.DelrecError)
    ]
    assert {k.exit_code for k in kinds} == set(range(1, 10))


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("x86_65", "; did you mean 'x86_64'?"),
        ("onnx", "; did you mean 'onnxruntime'?"),
        ("on", ""),
        ("toaster", ""),
    ],
)
def test_the_nearest_word_is_a_question(word, hint):
    assert errors.did_you_mean(word, ["x86_64", "onnxruntime", "numpy"]) == hint


def test_a_message_is_one_line_whatever_a_file_holds():
    error = errors.DataError("no key 'a\nb\x1b[2J\udcff'; did you mean 'ä'?")
    assert str(error) == r"no key 'a\nb\x1b[2J\udcff'; did you mean 'ä'?"
    assert str(errors.DataError(error)) == str(error)
