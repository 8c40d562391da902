"""Dataclasses from JSON: what fits, what is missing, what is of another type."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from delrec_compile.system import fields


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Thing:
    size: int
    colour: Colour = Colour.RED
    ratio: float | None = None
    names: tuple[str, ...] = ()
    table: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fields.check_types(self)


def test_json_becomes_a_dataclass() -> None:
    data = {"size": 3, "colour": "blue", "ratio": 1, "names": ["a"], "table": {"b": [1]}, "x": 0}
    assert fields.from_json(Thing, data) == Thing(3, Colour.BLUE, 1, ("a",), {"b": [1]})
    assert fields.from_json(Thing, {"size": 3}) == Thing(3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "key 'size' is missing"),
        ({"size": 1.5}, "key 'size' is 1.5; an integer is required"),
        ({"size": True}, "key 'size' is True; an integer is required"),
        ({"size": 1, "colour": "grey"}, "key 'colour' is 'grey'; one of red, blue is required"),
        ({"size": 1, "ratio": "x"}, "key 'ratio' is 'x'; a number or null is required"),
        ({"size": 1, "names": "ab"}, "key 'names' is 'ab'; a list, each item a string is required"),
        ({"size": 1, "names": [1]}, r"key 'names' is \(1,\); a list, each item a string"),
        ({"size": 1, "table": {1: 2}}, "key 'table' is {1: 2}; an object is required"),
    ],
)
def test_what_does_not_fit_is_named(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        fields.from_json(Thing, data)


DEEP = 100_000


def test_text_is_parsed():
    assert fields.parse_json('{"a": [1, 2.5]}') == {"a": [1, 2.5]}
    assert fields.parse_toml("a = 1\n[b]\nc = 'x'\n") == {"a": 1, "b": {"c": "x"}}


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (fields.parse_json, "{"),
        (fields.parse_json, "[" * DEEP),
        (fields.parse_json, '{"a":' * DEEP + "1" + "}" * DEEP),
        (fields.parse_json, "1" * 5000),
        (fields.parse_json, b"\xff"),
        (fields.parse_toml, "a ="),
        (fields.parse_toml, "a = " + "[" * DEEP),
        (fields.parse_json, '{"a": [1, -' + "9" * 400 + "]}"),
        (fields.parse_toml, "a = [{b = -" + "9" * 400 + "}]"),
    ],
)
def test_damaged_and_hostile_text_is_one_kind_of_error(parse, text):
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_a_sealed_object_is_as_it_was_written():
    data = {"b": 0.1 + 0.2, "a": ["ä", None, 1e-300]}
    text = fields.sealed_text(data)
    assert fields.is_intact(json.loads(text))
    assert fields.sealed_text(dict(reversed(data.items()))) == text
    assert not fields.is_intact({**json.loads(text), "b": 0.3})
    assert fields.is_intact(data), "one without a checksum is believed"
