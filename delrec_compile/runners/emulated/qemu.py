"""Boards in qemu-system-arm, where it is installed: start-up code, real memory, real MVE."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from delrec_compile.errors import DeviceError, ToolchainError, UnsupportedError, did_you_mean
from delrec_compile.system.chips import MemoryMap
from delrec_compile.system.process import run_program
from delrec_compile.targets.profile import Memory

TOOL = "qemu-system-arm"
TIMEOUT_S = 60.0
FAULT = 70  # exit status of startup.c


@dataclass(frozen=True)
class Board:
    """An emulated board. ticks: SysTick ticks per instruction; None where there is no SysTick.

    shift: an instruction lasts 2^shift ns.
    """

    name: str
    core: str
    memory: MemoryMap
    shift: int | None
    ticks: float | None

    @property
    def how(self) -> str:
        return f"emulated ({TOOL}, {self.name})"


@dataclass(frozen=True)
class Run:
    """A finished run. status: return value of main. output: text printed by semihosting."""

    status: int
    output: str


def boards() -> dict[str, Board]:
    """The boards of targets/cortex_m/boards.toml."""
    table = tomllib.loads((_folder() / "boards.toml").read_text(encoding="utf-8"))
    return {name: _board(name, **values) for name, values in table.items()}


def _board(
    name: str,
    core: str,
    flash: list[int],
    ram: list[int],
    clock_mhz: float | None = None,
    shift: int | None = None,
) -> Board:
    table = {"chip": name, "flash": flash, "ram": ram, "stack": 1}
    memory = Memory.from_table(table, f"board '{name}' of boards.toml").map
    ticks = None if clock_mhz is None or shift is None else 2**shift * clock_mhz / 1000
    return Board(name, core, memory, shift, ticks)


def load_board(name: str) -> Board:
    """A board by its name. Raises UnsupportedError."""
    known = boards()
    if name not in known:
        raise UnsupportedError(
            f"unknown board '{name}'{did_you_mean(name, known)}; allowed: {', '.join(known)}"
        )
    return known[name]


def available() -> bool:
    """Whether QEMU for ARM is installed."""
    return shutil.which(TOOL) is not None


def run_image(
    elf: Path, board: str, *, timeout_s: float = TIMEOUT_S, folder: Path | None = None
) -> Run:
    """Runs an image from reset to its semihosting exit. folder: its working folder.

    Raises ToolchainError, UnsupportedError; DeviceError for a fault or after `timeout_s` seconds.
    """
    where = load_board(board)
    if not available():
        raise ToolchainError(f"{TOOL} is missing; apt-get install {TOOL}")
    line = [TOOL, "-M", board, "-display", "none", "-serial", "null", "-monitor", "none"]
    line += ["-semihosting-config", "enable=on,target=native", "-kernel", str(elf.absolute())]
    if where.shift is not None:
        line += ["-icount", f"shift={where.shift}"]
    try:
        done = run_program(line, timeout_s, cwd=folder)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{elf.name} on {board} took more than {timeout_s:g} s") from error
    if done.returncode in {FAULT, 1} or done.returncode < 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if done.returncode != 1 or last.startswith(TOOL):
            raise DeviceError(f"{elf.name} on {board} ended with a fault: {last}")
    return Run(done.returncode, done.stderr)


def _folder() -> Path:
    return Path(str(resources.files("delrec_compile.targets") / "cortex_m"))
