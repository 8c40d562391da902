"""Commands on a plain ONNX step: how it is known, what is refused, what is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from delrec_compile.cli import plain
from delrec_compile.cli.app import app
from delrec_compile.errors import ParityError, UsageError
from delrec_compile.system import child

CHECK = {
    "sequences": 4,
    "steps": 200,
    "differing": 0,
    "values": 16000,
    "tolerance": 1e-4,
    "max_abs_error": 2e-6,
    "same_bits": 12000,
    "passed": True,
    "emulated": None,
}
BENCH = {"medians": {"plain": 7.2, "onnxruntime": 43.2}, "ratio": 6.0, "rounds": 9}


def test_a_folder_that_is_not_an_artifact_is_not_plain(tmp_path: Path) -> None:
    assert not plain.is_plain(tmp_path)
    (tmp_path / "manifest.json").write_text("{ damaged")
    assert not plain.is_plain(tmp_path)


def test_only_options_that_differ_from_their_default_are_refused() -> None:
    small = typer.Typer()
    refused: list[str] = []

    @small.command()
    def build(
        context: typer.Context, model: str = "net", unroll: int = 1, tuned: bool = True
    ) -> None:
        try:
            plain.refuse_unsupported(context, ("model",))
        except UsageError as error:
            refused.append(str(error))

    for line in ([], ["--model", "other"], ["--unroll", "8"], ["--no-tuned"]):
        CliRunner().invoke(small, line)
    assert refused == [
        "--unroll is not supported for a plain ONNX step; omit it",
        "--no-tuned is not supported for a plain ONNX step; omit it",
    ]


def test_check_and_bench_print_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[dict[str, Any]] = []

    def call(task: str, **arguments: Any) -> dict[str, Any]:
        calls.append(arguments)
        return CHECK if task.endswith("check_plain") else BENCH

    monkeypatch.setattr(child, "call", call)
    plain.check(Path("out"), as_json=False)
    plain.bench(Path("out"), 5, as_json=False)
    plain.bench(Path("out"), None, as_json=False)
    out = " ".join(capsys.readouterr().out.split())
    assert "0 of 16,000 outputs differ by more than 0.0001" in out
    assert "75.0% equal bits" in out
    assert "7.20 us per step, ONNX Runtime 43.20: 6.0x" in out
    assert calls == [{"path": "out"}, {"path": "out", "rounds": 5}, {"path": "out"}]


def test_a_difference_is_printed_and_is_exit_6(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = {"sequence": 1, "step": 7, "output": 2}
    wrong = {**CHECK, "target": "x86_64", "differing": 3, "first": at, "passed": False}
    monkeypatch.setattr(child, "call", lambda *_, **__: wrong)
    with pytest.raises(ParityError, match="first at sequence 1, step 7, output 2"):
        plain.check(Path("out"), as_json=True)
    assert json.loads(capsys.readouterr().out)["differing"] == 3


def refusal_of(*arguments: str) -> str:
    """The message of the command line; nothing is built."""
    result = CliRunner().invoke(app, list(arguments))
    assert isinstance(result.exception, UsageError), result.exception
    return str(result.exception)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--db", "folder"),
        ("--no-tuned", None),
        ("--numeric", "int8"),
        ("--unroll", "4"),
        ("--calibrate", "samples.npz"),
        ("--device", "local"),
        ("--input", "samples.npz"),
        ("--limit", "3"),
        ("--dump", "folder"),
    ],
)
def test_build_refuses_what_it_would_ignore(flag: str, value: str | None) -> None:
    message = refusal_of("build", "step.onnx", flag, *([value] if value else []))
    assert message == f"{flag} is not supported for a plain ONNX step; omit it"


def test_every_option_of_build_is_supported_or_refused() -> None:
    """An option that is added to `build` is refused for .onnx files until it is listed."""
    command: Any = typer.main.get_command(app).commands["build"]  # type: ignore[attr-defined]
    names = {p.name for p in command.params}
    assert set(plain.BUILD_OPTIONS) < names


def test_check_and_bench_refuse_too(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"form": "plain"}))
    assert plain.is_plain(tmp_path)
    assert refusal_of("check", str(tmp_path), "--limit", "3").startswith("--limit is not supported")
    assert refusal_of("bench", str(tmp_path), "--batch", "8").startswith("--batch is not supported")
