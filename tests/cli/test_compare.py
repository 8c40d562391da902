"""`compare` as a user types it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from fixtures.command import refused
from helpers import refusal, tree

from delrec_compile.cli import compare as command
from delrec_compile.errors import DelrecError, InputError, UnsupportedError
from delrec_compile.evaluation.compare.result import Comparison, TargetRow


def test_bad_command_lines(tmp_path):
    out = ("-o", tmp_path / "new")
    said = refused(4, "compare", "--targets", "cortex_m44", *out)
    assert "did you mean 'cortex_m4'" in said
    said = refused(2, "compare", "-t", "x86_64", "--max-flash", "10k", *out)
    assert "targets that can" in said
    assert "not a size" in refused(2, "compare", "--max-ram", "lots", *out)
    assert tree(tmp_path) == {}


RUN = importlib.import_module("delrec_compile.evaluation.compare.run")


def comparison(*rows: TargetRow) -> Comparison:
    return Comparison("net", 10.0, rows, (), (), (), (), None, {"cpu": "a CPU"})


BUILT = TargetRow("x86_64", "float32", "native", "x86_64", 0.5, artifact="out/a")
CRASHED = TargetRow("riscv32", "float32", failed="the compiler crashed", exit_code=9)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the command asks of the library, which answers with one row."""
    options: dict[str, object] = {}

    def compare(network: object, targets: list[str], **rest: object) -> Comparison:
        options.update(rest, targets=targets)
        return comparison(BUILT)

    monkeypatch.setattr(RUN, "compare", compare)
    return options


def test_options_reach_the_library(
    asked: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    command.compare(
        targets="x86_64,wasm32", numeric="float32,int8", limit=5, max_flash="115k", html=page
    )
    assert asked["targets"] == ["x86_64", "wasm32"]
    assert asked["numeric"] == ["float32", "int8"]
    assert asked["limit"] == 5
    assert asked["budgets"].max_flash == 115 * 1024  # type: ignore[attr-defined]
    out = capsys.readouterr().out
    assert "net on 1 targets" in out
    assert out.splitlines()[-1] == "next: delrec-compile bench out/a"
    assert "<html" in page.read_text()


def test_a_page_is_not_replaced_unasked(asked: dict[str, object], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    with refusal(InputError, f"{page} exists; add --force", 3):
        command.compare(html=page)
    assert not asked
    assert page.read_text() == "mine"
    command.compare(html=page, force=True, as_json=True)
    assert "<html" in page.read_text()


def test_a_failed_row_is_printed_before_it_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(RUN, "compare", lambda *_, **__: comparison(BUILT, CRASHED))
    with pytest.raises(DelrecError) as failure:
        command.compare(as_json=True)
    assert failure.value.exit_code == 9
    printed = json.loads(capsys.readouterr().out)
    assert printed["schema"] == "delrec.compare/1"
    assert [row["failed"] for row in printed["rows"]] == [None, "the compiler crashed"]
    assert not printed["passed"]


def test_an_interrupt_says_what_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> Comparison:
        raise KeyboardInterrupt

    monkeypatch.setattr(RUN, "compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command.compare(out=Path("here"))
    assert "artifacts built so far stay in here" in capsys.readouterr().err


def test_flash_needs_a_board() -> None:
    with pytest.raises(UnsupportedError, match="x86_64"):
        command.flash(target="x86_64")
