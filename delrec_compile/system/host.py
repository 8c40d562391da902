"""This machine: its architecture, its processor's name, and the label of results."""

from __future__ import annotations

import platform
from pathlib import Path


def machine() -> dict[str, str]:
    """The machine that figures were measured on."""
    return {
        "cpu": cpu_name(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}


def is_here(machine: str) -> bool:
    """Whether `machine` is the one this runs on; `any` is everywhere."""
    here = platform.machine().lower()
    return machine in ("any", ALIASES.get(here, here))


def cpu_name() -> str:
    """The processor of this machine, as it names itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = (s.split(":")[1].strip() for s in lines if s.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
