"""JSON and TOML text, and frozen dataclasses from it, their values checked against annotations."""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import EnumType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
MOST_DIGITS = 300  # a float has an exponent up to 308
DEEP = "it is nested too deeply"
SEAL = "sha256"  # key of the checksum that an object holds of itself


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, also for one that is nested without end, and for
    a whole number that no float reaches."""
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError(DEEP) from None


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError, as `parse_json`."""
    import tomllib

    try:
        tables = tomllib.loads(text)
        _require_reached(tables)
    except RecursionError:
        raise ValueError(DEEP) from None
    return tables


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _require_reached(value: Any) -> None:
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        raise ValueError(f"a number has over {MOST_DIGITS} digits")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _require_reached(item)


def sealed_text(data: Mapping[str, Any]) -> str:
    """The text of a JSON object with its own checksum."""
    return json.dumps({**data, SEAL: _seal_of(data)}, indent=2, sort_keys=True) + "\n"


def is_intact(data: Mapping[str, Any]) -> bool:
    """Whether a sealed object is as it was written; one without a checksum is believed."""
    own = _seal_of(data)
    return bool(data.get(SEAL, own) == own)


def _seal_of(data: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in data.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def check_types(instance: object) -> None:
    """Raises ValueError, which names the key, for a field whose value is not of its type."""
    for key, hint in hints(type(instance)).items():
        value = getattr(instance, key)
        if not is_a(value, hint):
            raise ValueError(f"key '{key}' is {value!r}; {describe(hint)} is required")


def from_json(kind: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass from a JSON object; keys that are not fields are skipped.

    Raises ValueError, which names the key, for one that is missing or wrong.
    """
    values, types_of = {}, hints(kind)
    for f in fields(kind):  # type: ignore[arg-type]
        if f.name in data:
            values[f.name] = _converted(data[f.name], types_of[f.name], f.name)
        elif f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"key '{f.name}' is missing")
    return kind(**values)


def _converted(value: Any, hint: Any, key: str) -> Any:
    """A list as a tuple, a string as a member of its enumeration; all else stays."""
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(value)
    if isinstance(hint, EnumType):
        try:
            return hint(value)
        except ValueError as error:
            raise ValueError(f"key '{key}' is {value!r}; {describe(hint)} is required") from error
    return value


def hints(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    every = get_type_hints(kind)
    return {f.name: every[f.name] for f in fields(kind)}


def is_a(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type; an int is a float, a bool is neither."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (types.UnionType, Union):
        return any(is_a(value, a) for a in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(is_a(v, arguments[0]) for v in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            is_a(k, arguments[0]) and is_a(v, arguments[1]) for k, v in value.items()
        )
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, hint)


NAMES = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}


def describe(hint: Any) -> str:
    """An annotated type in words, for messages."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        return " or ".join(describe(a) for a in arguments)
    if origin is tuple:
        return f"a list, each item {describe(arguments[0])}"
    if origin is dict or is_dataclass(hint):
        return "an object"
    if hint is type(None):
        return "null"
    if isinstance(hint, EnumType):
        return f"one of {', '.join(map(str, hint))}"
    return NAMES.get(hint, str(hint))
