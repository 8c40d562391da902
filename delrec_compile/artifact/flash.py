"""The command that puts an artifact's program on its board, and running it.

A profile says in `[flash]` which `tool` and under which name the tool knows the `device`.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile import targets
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.errors import (
    DeviceError,
    InputError,
    ToolchainError,
    UnsupportedError,
    did_you_mean,
)

TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Tool:
    """A flashing tool. line: its command (device, image). probe: the option that names one of many.

    mend: what installs it. once: what it needs once per device. look: lists what is connected.
    """

    line: Callable[[str, str], list[str]]
    probe: str
    mend: str
    look: str
    once: Callable[[str], str] = lambda _: ""


TOOLS = {
    "pyocd": Tool(
        lambda device, image: ["pyocd", "load", "--no-wait", "--target", device, image],
        "--uid",
        "pip install pyocd",
        "pyocd list",
        lambda device: f"pyocd pack install {device}",
    ),
    "probe-rs": Tool(
        lambda device, image: ["probe-rs", "download", "--chip", device, image],
        "--probe",
        "cargo install probe-rs-tools --locked",
        "probe-rs list",
    ),
    "picotool": Tool(
        lambda device, image: ["picotool", "load", "--verify", "--execute", image],
        "--ser",
        "apt-get install picotool",
        "picotool info (hold BOOTSEL while plugging the board in)",
    ),
}


@dataclass(frozen=True)
class Flash:
    """What is to be run. setup: commands that are needed once, or none. command: puts it there."""

    artifact: Path
    target: str
    tool: str
    device: str
    image: Path
    setup: tuple[str, ...]
    command: tuple[str, ...]

    @property
    def line(self) -> str:
        return shlex.join(self.command)

    def as_dict(self) -> dict[str, Any]:
        return {
            "artifact": str(self.artifact),
            "target": self.target,
            "tool": self.tool,
            "device": self.device,
            "image": str(self.image),
            "setup": list(self.setup),
            "command": list(self.command),
        }


def flash_command(artifact: Artifact | Path | str, probe: str | None = None) -> Flash:
    """The command for an artifact's board. probe: which of several, as its tool lists them.

    Raises UnsupportedError where there is no program for a board, or no tool for its chip.
    """
    found = artifact if isinstance(artifact, Artifact) else load_artifact(artifact)
    m = found.manifest
    image = m.board_image
    if image is None:
        raise UnsupportedError(
            f"{found.path} (target {m.target}) holds no program that starts from reset; "
            f"targets with a board: {', '.join(flashable())}"
        )
    if not (found.path / image).is_file():
        raise InputError(f"{found.path / image} is missing; build the artifact again")
    name, facts = m.target, m.flash
    if not facts and name in targets.names():  # built before manifests had the table
        profile = targets.load(name).flash
        facts = profile.to_json() if profile else {}
    tool = str(facts.get("tool", ""))
    if not facts or "device" not in facts or tool not in TOOLS:
        raise UnsupportedError(
            f"the profile of target '{name}' has no [flash] with tool and device"
            f"{did_you_mean(tool, TOOLS)}; tools: {', '.join(TOOLS)}; the program is "
            f"{found.path / image}"
        )
    how, device = TOOLS[tool], str(facts["device"])
    command = how.line(device, str(found.path / image))
    if probe is not None:
        command[2:2] = [how.probe, probe]
    setup = (how.once(device),) if facts.get("pack") else ()
    return Flash(found.path, name, tool, device, found.path / image, setup, tuple(command))


def flashable() -> list[str]:
    """The targets whose profile names a tool for their board."""
    return [name for name in targets.names() if targets.load(name).flash]


def known_board(target: str) -> None:
    """Refuses a target for which no board can be flashed, before anything is built."""
    if not targets.load(target).flash:
        raise UnsupportedError(
            f"target '{target}' has no board to flash; allowed: {', '.join(flashable())}"
        )


def flash(plan: Flash) -> str:
    """Runs it. Returns what the tool said.

    Raises ToolchainError when the tool or its pack is missing, DeviceError when the board is.
    """
    tool = TOOLS[plan.tool]
    if shutil.which(plan.command[0]) is None:
        raise ToolchainError(f"{plan.tool} is not installed; {tool.mend}")
    try:
        done = subprocess.run(
            plan.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{plan.tool} took more than {TIMEOUT_S:g} s and was ended") from error
    except OSError as error:
        raise ToolchainError(
            f"{plan.tool} does not start ({error.strerror}); {tool.mend}"
        ) from error
    if done.returncode == 0:
        return done.stdout
    if plan.setup and "not recognized" in done.stdout:
        raise ToolchainError(f"{plan.tool} does not know {plan.device} yet; {plan.setup[0]}")
    said = " ".join((done.stdout.strip().splitlines() or ["no message"])[-1].split())
    raise DeviceError(
        f"{plan.tool} failed with exit code {done.returncode}: {said}; is the board connected? "
        f"this lists what is: {tool.look}"
    )
