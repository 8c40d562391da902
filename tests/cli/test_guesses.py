"""Wrong command lines: what the user probably meant."""

import re
import sys

import pytest

from delrec_compile.cli import app


def line(monkeypatch, capsys, *arguments):
    """Exit code and last line of the error of a command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["delrec-compile", *arguments])
    with pytest.raises(SystemExit) as end:
        app.main()
    return end.value.code, capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compile",), "no command 'compile'; 'build' compiles a network"),
        (("list",), "'targets' lists the targets"),
        (("help",), "'--help' shows the commands"),
        (("version",), "'--version' prints the version"),
        (("bild",), "No such command 'bild'. Did you mean 'build'?"),
        (("train", "x", "--lr", "0.1"), "no option --lr; .* --set lr=VALUE"),
        (("train", "x", "--weight-decay", "0.1"), "--weight-decay"),
        (("build", "--quantize", "int8"), "no option --quantize of 'build'; .*'--numeric int8'"),
        (("build", "--unroll", "x"), "Invalid value for '--unroll': 'x'; an integer is required"),
        (("build", "--unroll", "0"), "Invalid value for '--unroll': '0'; 1 or more is required"),
        (("build", "--unroll", "1.5"), "'1.5'; an integer is required"),
        (("run",), "Missing argument"),
    ],
)
def test_the_line_says_what_was_meant(arguments, words, monkeypatch, capsys):
    code, text = line(monkeypatch, capsys, *arguments)
    assert code == 2
    assert re.search(words, text), text
    assert "Input should" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("build", "--targets", "nothing"),
        ("build", "--targets=nothing"),
        ("build", "--output", "o", "--target", "nothing"),
        ("compare", "--target", "nothing"),
        ("compare", "--target=nothing"),
    ],
)
def test_words_of_other_programs_are_taken(arguments, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, text = line(monkeypatch, capsys, *arguments)
    assert code == 4
    assert "unknown target 'nothing'" in text
