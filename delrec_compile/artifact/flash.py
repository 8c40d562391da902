"""The command that writes an artifact's program to its board, and running it.

`[flash]` of a profile names the `tool`, and the `device` as that tool names it.
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
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.plain import PlainArtifact, load_any
from delrec_compile.errors import (
    DeviceError,
    InputError,
    ToolchainError,
    UnsupportedError,
    did_you_mean,
)
from delrec_compile.system.process import limit_s, run_program

TIMEOUT_S = 300.0  # where $DELREC_TIMEOUT sets no other


@dataclass(frozen=True)
class Tool:
    """A flashing tool. command: from (device, image). probe: option that selects a debug probe.

    install: command that installs it. list_boards: command that lists connected boards. setup:
    command that it needs once per device, or an empty string.
    """

    command: Callable[[str, str], list[str]]
    probe: str
    install: str
    list_boards: str
    setup: Callable[[str], str] = lambda _: ""


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
    """A flash to run. setup: commands that are required once. command: writes the image."""

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


def flash_command(
    artifact: Artifact | PlainArtifact | Path | str, probe: str | None = None
) -> Flash:
    """The command for an artifact's board. probe: one of several, as its tool lists them.

    Raises UnsupportedError where there is no program for a board, or no tool for its chip.
    """
    built = load_any(artifact) if isinstance(artifact, Path | str) else artifact
    m = built.manifest
    image = m.board_image
    if image is None:
        raise UnsupportedError(
            f"{built.path} (target {m.target}) holds no program that starts from reset; "
            f"targets with a board: {', '.join(flashable())}"
        )
    if not (built.path / image).is_file():
        raise InputError(f"{built.path / image} is missing; build the artifact again")
    name, table = m.target, m.flash
    if not table and name in targets.names():  # built before manifests had the table
        profile = targets.load(name).flash
        table = profile.to_json() if profile else {}
    tool = str(table.get("tool", ""))
    if "device" not in table or tool not in TOOLS:
        raise UnsupportedError(
            f"the profile of target '{name}' has no [flash] with tool and device"
            f"{did_you_mean(tool, TOOLS)}; tools: {', '.join(TOOLS)}; the program is "
            f"{built.path / image}"
        )
    flasher, device = TOOLS[tool], str(table["device"])
    command = flasher.command(device, str(built.path / image))
    if probe is not None:
        command[2:2] = [flasher.probe, probe]
    setup = (flasher.setup(device),) if table.get("pack") else ()
    return Flash(built.path, name, tool, device, built.path / image, setup, tuple(command))


def flashable() -> list[str]:
    """The targets whose profile names a tool for their board."""
    return [name for name in targets.names() if targets.load(name).flash]


def check_flashable(target: str) -> None:
    """Refuses a target without a board to flash, before a build. Raises UnsupportedError."""
    if not targets.load(target).flash:
        raise UnsupportedError(
            f"target '{target}' has no board to flash; allowed: {', '.join(flashable())}"
        )


def flash(plan: Flash) -> str:
    """Runs the command of a plan. Returns the tool's output.

    Raises ToolchainError when the tool or its pack is missing, DeviceError when the board is.
    """
    tool = TOOLS[plan.tool]
    path, limit = shutil.which(plan.command[0]), limit_s(TIMEOUT_S)
    if path is None:
        raise ToolchainError(f"{plan.tool} is not installed; {tool.install}")
    command = [str(Path(path).absolute()), *plan.command[1:]]
    try:
        done = run_program(command, limit, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{plan.tool} took more than {limit:g} s and was stopped") from error
    if done.returncode == 0:
        return done.stdout
    if plan.setup and "not recognized" in done.stdout:
        raise ToolchainError(f"{plan.tool} does not support {plan.device} yet; {plan.setup[0]}")
    last = " ".join((done.stdout.strip().splitlines() or ["no message"])[-1].split())
    raise DeviceError(
        f"{plan.tool} failed with exit code {done.returncode}: {last}; is the board connected? "
        f"this lists boards: {tool.list_boards}"
    )
