"""Target profiles: found by listing the folder; wrong names and damaged files are named."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.installed import installed
from helpers import refusal

from delrec_compile import targets
from delrec_compile.errors import InputError, UnsupportedError


def test_the_folder_is_the_list() -> None:
    folder = Path(targets.__file__).parent
    assert targets.names() == tuple(sorted(p.stem for p in folder.glob("*.toml")))
    assert "x86_64" in targets.names()


@pytest.mark.parametrize("name", targets.names())
def test_every_profile_is_whole(name: str) -> None:
    target = targets.load(name)
    assert target.name == name
    assert target.summary
    assert target.numeric
    assert target.generator in ("llvm", "c", "cuda")
    assert target.llvm.get("kind", "llvm") == "llvm"
    assert target.schedules[-1].features == (), "the last schedule must fit all"


def test_unknown_names() -> None:
    message = "unknown target 'x86_65'; did you mean 'x86_64'\\?; allowed: .*x86_64.*toml"
    with refusal(UnsupportedError, message, 4):
        targets.load("x86_65")
    with refusal(UnsupportedError, "unknown target 'toaster'; allowed: ", 4):
        targets.load("toaster")
    with refusal(UnsupportedError, "unknown target '../pyproject'", 4):
        targets.load("../pyproject")
    with refusal(InputError, "mine.toml: no such target profile; allowed: .*x86_64", 3):
        targets.load("mine.toml")


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    text = (Path(targets.__file__).parent / "x86_64.toml").read_text()
    (tmp_path / "mine.toml").write_text(text)
    mine = targets.load(str(tmp_path / "mine.toml"))
    assert replace(mine, name="x86_64") == targets.load("x86_64")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"summary = ", r"'mine' \(mine.toml\) is damaged .*compare it with"),
        (b"", r"'mine' \(mine.toml\): 'summary' is missing"),
        (b"\xff\xfe", r"'mine' \(mine.toml\) is damaged .*compare it with"),
        (b"schedule = 3", r"'schedule' is not a list of \[\[schedule\]\] tables"),
        (b"[[schedule]]\nlanes = 4\n", "'summary' is missing"),
        (
            b"colour = 'red'\n[[schedule]]\nlanes = 4\n",
            "unknown key 'colour'.*; allowed: summary, ",
        ),
    ],
)
def test_damaged_profiles(text: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text)
    with refusal(UnsupportedError, message, 4):
        targets.load(str(path))


@pytest.mark.parametrize(
    ("machine", "here"),
    [("x86_64", True), ("AMD64", True), ("aarch64", False), ("arm64", False)],
)
def test_what_runs_here(machine: str, here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    x86 = targets.load("x86_64")
    assert x86.runs_here is here
    assert replace(x86, machine="aarch64").runs_here is not here


@pytest.mark.parametrize("name", targets.names())
def test_every_schedule_has_all_its_kernels(name: str) -> None:
    for choice in targets.load(name).schedules:
        schedule = choice.schedule
        assert [schedule.of(kernel).lanes for kernel in schedule.kernels]


BOARD = """
over = "cortex_m4"
summary = "a board of ours"
clock_mhz = 100
[memory]
chip = "OURS"
flash = [0x08000000, 256]
ram = [0x20000000, 64]
"""


def test_a_package_adds_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[delrec_compile.targets]\nours = boards_of_ours\nlost = boards_of_ours\n"
    points += "number = boards_of_ours:VALUE\n"
    installed(tmp_path, "boards_of_ours", points, "VALUE = 5", ours__toml=BOARD)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert targets.added_names() == ("lost", "number", "ours")
    ours = targets.load("ours")
    assert ours.core == targets.load("cortex_m4").core
    assert ours.memory is not None
    assert ours.memory.ram[1] == 64
    with refusal(UnsupportedError, "package boards_of_ours has no lost.toml", 4):
        targets.load("lost")
    with refusal(UnsupportedError, "package boards_of_ours, entry point 'number' of", 4):
        targets.load("number")
    with refusal(UnsupportedError, "did you mean 'ours'", 4):
        targets.load("oursx")


def test_a_package_replaces_no_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[delrec_compile.targets]\nx86_64 = other_boards\nnrf52840 = other_boards\n"
    before = targets.load("nrf52840")
    installed(tmp_path, "other_boards", points, x86_64__toml=BOARD, nrf52840__toml=BOARD)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert targets.added_names() == ()
    assert targets.load("nrf52840") == before
