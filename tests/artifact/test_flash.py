"""`flash`: the exact command for a board, and running it with a tool that only pretends."""

import json
from pathlib import Path

import pytest
from fixtures.command import cli, refused
from fixtures.manifests import folder_of
from helpers import refusal

from delrec_compile import targets
from delrec_compile.artifact.flash import TOOLS, flash_command, flashable
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import InputError, UnsupportedError

pytestmark = pytest.mark.usefixtures("children_here")

ELF = "test/net-board.elf"


def artifact(folder, target="cortex_m4", **changed):
    """A folder that passes for an artifact; its program is never run."""
    files = {"src/net.c": b"", ELF: b"\x7fELF"}
    return folder_of(folder, files, target=target, **({"board_image": ELF} | changed))


def pretend(folder: Path, name: str, script: str) -> dict[str, str]:
    """A PATH with nothing but a tool of that name."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize("name", flashable())
def test_every_flash_table_is_whole(name, tmp_path):
    facts = targets.load(name).flash.to_json()
    assert set(facts) <= {"tool", "device", "pack"}
    plan = flash_command(artifact(tmp_path, name), "ID7")
    image = str(tmp_path / ELF)
    assert plan.command[0] == facts["tool"]
    assert plan.command[2:4] == (TOOLS[facts["tool"]].probe, "ID7")
    assert plan.command[-1] == image
    assert (facts["device"] in plan.command) != (facts["tool"] == "picotool")
    assert bool(plan.setup) == bool(facts.get("pack"))


def test_commands(tmp_path):
    image = str(tmp_path / ELF)
    plan = flash_command(load_artifact(artifact(tmp_path)))
    assert plan.line == f"pyocd load --no-wait --target stm32f405rgtx {image}"
    assert plan.setup == ("pyocd pack install stm32f405rgtx",)
    own = {"tool": "picotool", "device": "rp2040"}
    plan = flash_command(artifact(tmp_path, "mine", flash=own), "E66")
    assert plan.line == f"picotool load --ser E66 --verify --execute {image}"
    own = {"tool": "probe-rs", "device": "STM32F446RETx"}
    plan = flash_command(artifact(tmp_path, "mine", flash=own))
    assert plan.line == f"probe-rs download --chip STM32F446RETx {image}"


def test_what_has_no_program_is_refused(tmp_path):
    folder = artifact(tmp_path, "x86_64", board_image=None)
    message = "target x86_64.* holds no program .*: cortex_m3, cortex_m33, cortex_m4"
    with refusal(UnsupportedError, message, 4, tmp_path):
        flash_command(folder)
    with refusal(
        UnsupportedError, r"'mine' has no \[flash\] with tool and device; tools: pyocd", 4
    ):
        flash_command(artifact(tmp_path, "mine"))
    folder = artifact(tmp_path, board_image="test/gone.elf")
    with refusal(InputError, "gone.elf is missing", 3):
        flash_command(folder)


def test_the_command_is_printed_and_not_run(tmp_path):
    folder = artifact(tmp_path / "my artifact")
    env = pretend(tmp_path / "bin", "pyocd", f"echo run > {tmp_path / 'ran'}")
    done = cli("flash", folder, "--probe", "0671FF", env=env)
    assert done.returncode == 0, done.stderr
    setup, line, first, following = done.stdout.splitlines()
    assert setup.endswith(": pyocd pack install stm32f405rgtx")
    assert line == (f"pyocd load --uid 0671FF --no-wait --target stm32f405rgtx '{folder / ELF}'")
    assert first.startswith("first: "), "the command is not on this path"
    assert following == f"next: delrec-compile flash '{folder}' --probe 0671FF --yes"
    assert not (tmp_path / "ran").exists()
    told = json.loads(cli("flash", folder, "--json").stdout)
    assert (told["schema"], told["ran"], told["output"]) == ("delrec.flash/1", False, None)
    assert told["command"][-1] == str(folder / ELF)


def test_yes_runs_it(tmp_path):
    folder = artifact(tmp_path / "a")
    env = pretend(tmp_path / "bin", "pyocd", 'echo "loaded $*"')
    done = cli("flash", folder, "--yes", env=env)
    assert done.returncode == 0, done.stderr
    wanted = f"loaded load --no-wait --target stm32f405rgtx {folder / ELF}"
    assert done.stdout.splitlines()[0] == wanted
    told = json.loads(cli("flash", folder, "--yes", "--json", env=env).stdout)
    assert (told["ran"], told["output"]) == (True, wanted + "\n")


def test_what_goes_wrong_with_the_tool(tmp_path):
    folder = artifact(tmp_path / "a")
    none = {"PATH": str(tmp_path / "empty")}
    assert "pip install pyocd" in refused(5, "flash", folder, "--yes", env=none)
    env = pretend(tmp_path / "bin", "pyocd", "echo 'No connected debug probes'; exit 1")
    said = refused(8, "flash", folder, "--yes", env=env)
    assert "exit code 1: No connected debug probes" in said
    assert "pyocd list" in said
    env = pretend(tmp_path / "bin", "pyocd", "echo 'Target type x not recognized. Use'; exit 1")
    assert "pyocd pack install stm32f405rgtx" in refused(5, "flash", folder, "--yes", env=env)
    env = pretend(tmp_path / "bin", "pyocd", "/bin/sleep 60")
    said = refused(8, "flash", folder, "--yes", env=env | {"DELREC_TIMEOUT": "0.5"})
    assert "pyocd took more than 0.5 s" in said


def test_bad_command_lines(tmp_path):
    assert "no such file" in refused(3, "flash", tmp_path / "none")
    assert "allowed: cortex_m3" in refused(4, "flash", "-t", "x86_64")
    assert "did you mean 'cortex_m4'" in refused(4, "flash", "-t", "cortex_m44")
