"""Defaults of the commands from delrec.toml."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from delrec_compile.cli import app, defaults
from delrec_compile.errors import DelrecError, InputError, UsageError

COMMANDS = typer.main.get_command(app.app)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "delrec.toml"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["delrec-compile", *arguments])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert isinstance(end.value.code, int)
    return end.value.code


def leaves(group: Any, above: str = "") -> Any:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{above}{name}.")
        else:
            yield f"{above}{name}", command


def test_every_option_of_every_command_has_a_key(here: Path) -> None:
    keys = 0
    for whole, command in leaves(COMMANDS):
        for key, parameter in defaults._keys(command):
            if whole.startswith("devices") or key in defaults.REFUSED.get(whole, ()):
                continue
            value = "true" if getattr(parameter, "is_flag", False) else '"1"'
            value = f"[{value}]" if getattr(parameter, "multiple", False) else value
            here.write_text(f"[{whole}]\n{key.replace('_', '-')} = {value}\n")
            assert defaults.read(None, COMMANDS)[0] == Path("delrec.toml")
            keys += 1
    assert keys > 150


def test_a_line_takes_what_it_does_not_say(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.write_text('[inspect]\nmodel = "dense_delay_256"\njson = true\n[export]\nunroll = 2\n')
    assert run(monkeypatch, "inspect") == 0
    out, err = capsys.readouterr()
    assert '"name": "dense_delay_256"' in out
    assert err == "defaults of delrec.toml: model, as_json\n"
    assert run(monkeypatch, "inspect", "conv_delay_256") == 0
    assert '"name": "conv_delay_256"' in capsys.readouterr().out


def test_a_named_file_replaces_that_of_the_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.write_text("[nonsense]\n")
    other = here.with_name("my defaults.toml")
    other.write_text('[inspect]\nmodel = "nothing"\n')
    assert run(monkeypatch, "inspect", "--config", str(other)) == 3
    assert "nothing" in capsys.readouterr().err
    assert run(monkeypatch, "inspect", "--config", "/dev/null", "--json") == 0


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('[biuld]\ntarget = "x"', 2, "no command 'biuld'; did you mean 'build'?"),
        ('[build]\ntargt = "x"', 2, "no key 'targt'; did you mean 'target'?"),
        ('[build]\ntarget = ["x"]', 2, "a single value is required"),
        ('[build]\nstate = "a=b"', 2, "a list is required"),
        ("[build]\nforce = 1", 2, "true or false is required"),
        ("[build]\nunroll = true", 2, "a text or a number is required"),
        ("[build]\ndump = 2026-01-01", 2, "texts, numbers, true and false are allowed"),
        ("build = 1", 2, r"build is no table; write \[build\]"),
        ('[build]\ndevice = ["ssh://me@board"]', 2, "on the command line only"),
        ('[train]\ncluster = "tcp://host:8786"', 2, "on the command line only"),
        ('[import]\nsource = "module:function"', 2, "on the command line only"),
        ("[flash]\nyes = true", 2, "on the command line only"),
        ('[devices.serve]\nkey = "a"', 2, "on the command line only"),
        ('[data.synht]\nout = "x"', 2, "no command 'data.synht'; did you mean 'synth'?"),
        ("[build", 3, "delrec.toml: "),
    ],
)
def test_what_no_command_has_is_refused(text: str, code: int, words: str, here: Path) -> None:
    here.write_text(text)
    with pytest.raises(DelrecError, match=words) as refusal:
        defaults.read(None, COMMANDS)
    assert refusal.value.exit_code == code
    assert "delrec.toml" in str(refusal.value)


def test_a_named_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no such file"):
        defaults.read(Path("nothing.toml"), COMMANDS)


def test_a_large_file_is_refused(here: Path) -> None:
    here.write_text("#" * (defaults.LARGEST + 1))
    with pytest.raises(InputError, match="is short"):
        defaults.read(None, COMMANDS)


def test_a_wrong_value_is_told_with_its_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.write_text('[build]\nunroll = "x"\n')
    assert run(monkeypatch, "build") == UsageError.exit_code
    assert "delrec.toml: Invalid value for '--unroll': 'x'; an integer" in capsys.readouterr().err


def test_an_option_that_a_plain_step_lacks_is_refused_from_a_file_too(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.write_text('[build]\nnumeric = "int8"\n')
    Path("step.onnx").touch()
    assert run(monkeypatch, "build", "step.onnx") == UsageError.exit_code
    assert "--numeric" in capsys.readouterr().err
