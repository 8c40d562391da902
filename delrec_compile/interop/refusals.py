"""Refusals of parts that no network has, each with what would do."""

from __future__ import annotations

from delrec_compile.errors import UnsupportedError

LANE = (
    "export one step of the model to ONNX with its state as past_<name> and present_<name>, and "
    "'delrec-compile build step.onnx' (x86_64, arm_cpu, arm_cpu_v7)"
)


class UnknownPartError(UnsupportedError):
    """A kind of part that no network has."""


def unknown_part(name: str, what: str, instead: str = "") -> UnknownPartError:
    """The error for a part. what: its kind. instead: what would do here, beside the slower lane."""
    text = f"{instead}; or " if instead else ""
    return UnknownPartError(f"{name}: networks have no {what}; {text}{LANE}")


def reason(name: str, error: Exception) -> tuple[str, str]:
    """Why a part was refused, and what would do. name: of the part."""
    text = str(error).removeprefix(f"{name}: ")
    why, _, instead = text.partition("; ")
    return why, instead
