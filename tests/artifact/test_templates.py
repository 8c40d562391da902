"""Templates of targets, filled in."""

from __future__ import annotations

import re
from importlib import metadata

import jinja2
import pytest

from delrec_compile.artifact.templates import render_files


def test_files_are_named_and_know_the_version() -> None:
    files = render_files(
        {"{name}/library.properties": "c_arduino.in"}, {"name": "net", "summary": "a net"}
    )
    assert list(files) == ["net/library.properties"]
    (number,) = re.findall("^version=(.*)$", files["net/library.properties"], re.M)
    assert metadata.version("delrec-compile").startswith(number)


def test_a_variable_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="summary"):
        render_files({"x": "c_arduino.in"}, {"name": "net"})
