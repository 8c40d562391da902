"""The table of import options has the arguments of every reader."""

from __future__ import annotations

import inspect

import pytest

from delrec_compile.interop.options import OPTIONS, names_for
from delrec_compile.interop.source import READERS


@pytest.mark.parametrize("name", READERS)
def test_the_table_has_the_arguments_of_each_reader(name: str) -> None:
    parameters = inspect.signature(READERS[name].load()).parameters.values()
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert keywords == set(names_for(name))


def test_every_option_has_a_reader() -> None:
    for option in OPTIONS:
        assert set(option.readers) <= set(READERS), option.name
