"""Values that a shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from delrec_compile.cli import app, completion
from delrec_compile.errors import UnsupportedError
from delrec_compile.system import plugins
from delrec_compile.training.config import RECURRENCES

# parameters whose values are names or files of one kind, in whichever command they are
COMPLETED = (
    *("model", "source", "path", "artifact", "target", "targets", "numeric", "samples", "form"),
    *("rows", "recurrence", "grid", "boards", "fits", "variants", "network", "calibrate", "recipe"),
)
# values that are their own beginning: files and folders of the user, numbers, texts
FREE = {("claims", "grid"), ("data info", "file")}


def parameters(group: Any, above: str = "") -> Any:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from parameters(command, f"{above}{name} ")
        else:
            for parameter in command.params:
                yield f"{above}{name}", parameter


def completed(parameter: Any, beginning: str = "") -> list[str]:
    context = typer.Context(typer.main.get_command(app.app))
    return [item.value for item in parameter.shell_complete(context, beginning)]


def test_every_parameter_with_known_values_completes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("a.safetensors", "a.nir", "a.npz", "step.onnx"):
        Path(file).touch()
    Path("out").mkdir()
    Path("out", "manifest.json").touch()
    found = 0
    for command, parameter in parameters(typer.main.get_command(app.app)):
        if parameter.name in COMPLETED and (command, parameter.name) not in FREE:
            found += 1
            assert completed(parameter) not in ([], [""]), (command, parameter.name)
    assert found > 40


@pytest.mark.parametrize(
    ("function", "beginning", "there"),
    [
        (completion.models, "", "dense_delay_256"),
        (completion.models, "", "net.safetensors"),
        (completion.models, "sub/", "sub/net.safetensors"),
        (completion.listeners, "", "conv_delay_256"),
        (completion.audio, "", "-"),
        (completion.sources, "", "step.onnx"),
        (completion.runnables, "o", "out"),
        (completion.runnables, "", "sub/"),
        (completion.shown, "", "x.npz"),
        (completion.importable, "", "g.nir"),
        (completion.samples, "", "random"),
        (completion.targets, "", "cortex_m4"),
        (completion.targets, "", "rp2350"),
        (completion.target_lists, "x86_64,", "x86_64,cortex_m4"),
        (completion.boards, "all,", "all,nrf52840"),
        (completion.numeric_lists, "int8,", "int8,int16"),
        (completion.engines, "", "onnxruntime"),
        (completion.recipes, "", "delrec-shd"),
        (completion.programs, "", "shared"),
    ],
)
def test_names_and_files_are_offered(
    function: Any, beginning: str, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("out", "sub", ".hidden"):
        Path(folder).mkdir()
    Path("out", "manifest.json").touch()
    for file in ("net.safetensors", "sub/net.safetensors", "step.onnx", "x.npz", "g.nir"):
        Path(file).touch()
    offered = function(beginning)
    assert there in offered
    assert "x86_64,x86_64" not in offered
    assert not [word for word in offered if ".hidden" in word]


def test_a_folder_that_is_not_there_offers_no_files() -> None:
    assert completion.importable("nothing/here/") == []


def test_words_of_train_are_those_of_its_recipe() -> None:
    assert set(completion.RECURRENCES) == set(RECURRENCES)


def offered_by_a_shell(asked: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The command, as a shell asks it for values."""
    return subprocess.run(
        [sys.executable, "-m", "delrec_compile"],
        env={**os.environ, **asked},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_asks_and_gets_values(shell: str, tmp_path: Path) -> None:
    variables = {
        "bash": {"COMP_WORDS": "delrec-compile build --target cortex_m5", "COMP_CWORD": "3"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "delrec-compile build --target cortex_m5"},
        "fish": {
            "_TYPER_COMPLETE_ARGS": "delrec-compile build --target cortex_m5",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }
    asked = {"_DELREC_COMPILE_COMPLETE": f"complete_{shell}", **variables[shell]}
    done = offered_by_a_shell(asked, tmp_path)
    assert "cortex_m55" in done.stdout
    assert "cortex_m4" not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("line", "there", "missing"),
    [
        (
            "claims pool --variants feed_forward,",
            "feed_forward,channels_both",
            "feed_forward,paper_conv",
        ),
        ("claims pool --paper --variants ", "paper_dense_delay", "conv_delay"),
        ("claims pool --set ", "dropout=", "seed="),
        ("claims pool --set ", "epochs=", "device="),
        ("train pool --set ", "seed=", "model="),
    ],
)
def test_words_that_are_offered_are_those_that_the_command_takes(
    line: str, there: str, missing: str, tmp_path: Path
) -> None:
    words = f"delrec-compile {line}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    offered = offered_by_a_shell(
        {"_DELREC_COMPILE_COMPLETE": "complete_bash", **asked}, tmp_path
    ).stdout
    assert there in offered.split()
    assert missing not in offered.split()


def test_bash_completes_by_the_script_that_it_is_given(tmp_path: Path) -> None:
    program = tmp_path / "delrec-compile"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m delrec_compile "$@"\n')
    program.chmod(0o755)
    home = {
        **os.environ,
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    subprocess.run(
        [program, "--install-completion", "bash"], env=home, capture_output=True, check=True
    )
    (script,) = tmp_path.rglob("delrec-compile.sh")
    assert str(script) in (tmp_path / ".bashrc").read_text()
    asked = f"""source {script}
        COMP_WORDS=(delrec-compile flash --target cortex_m5) COMP_CWORD=3
        _delrec_compile_completion delrec-compile
        echo "${{COMPREPLY[@]}}" """
    line = ["bash", "--norc", "-c", asked]
    done = subprocess.run(line, env=home, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cortex_m55"]


def test_a_broken_package_leaves_the_other_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(group: str) -> Any:
        raise UnsupportedError(f"{group}: 'chip' is of two packages, a and b; uninstall one")

    monkeypatch.setattr(plugins, "found", broken)
    assert "cortex_m4" in completion.targets("")
