"""Refusals of parts that no network has, each with what would do."""

from __future__ import annotations

import functools

from delrec_compile import targets
from delrec_compile.errors import UnsupportedError


@functools.cache
def lane() -> str:
    """What takes any model, more slowly: the lane of plain ONNX steps, and its targets."""
    able = [name for name in targets.names() if targets.load(name).form == "library"]
    return (
        "export one step of the model to ONNX with its state as past_<name> and present_<name>, and "
        f"'delrec-compile build step.onnx' ({', '.join(able)})"
    )


class UnknownPartError(UnsupportedError):
    """A kind of part that no network has."""


def unknown_part(name: str, what: str, instead: str = "") -> UnknownPartError:
    """The error for a part. what: its kind. instead: what would do here, beside the slower lane."""
    text = f"{instead}; or " if instead else ""
    return UnknownPartError(f"{name}: networks have no {what}; {text}{lane()}")


def reason(name: str, error: Exception) -> tuple[str, str]:
    """Why a part was refused, and what would do. name: of the part."""
    text = str(error).removeprefix(f"{name}: ")
    why, _, instead = text.partition("; ")
    return why, instead
