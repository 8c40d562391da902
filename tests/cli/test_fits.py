"""delrec-compile targets --fits: its table, its JSON, and what it refuses."""

from __future__ import annotations

import importlib
import json

import pytest
from helpers import refusal

from delrec_compile.cli.fits import refuse_without_network, show_fits
from delrec_compile.errors import BudgetError, UsageError
from delrec_compile.evaluation.fits import Fit, Fits

FITS = importlib.import_module("delrec_compile.evaluation.fits")
NRF = Fit("nrf52840", "", True, "", 435360, 1 << 20, 3384, 258048, 1784, 28912.6, 84340, 64)
ROWS = (
    Fit("tiny", "", False, "flash is 2.0 KB over its 16.0 KB"),
    NRF,
    Fit("esp32", "", True, how="modelled on cortex_m4: counted"),
)


def asked(monkeypatch: pytest.MonkeyPatch, rows: tuple[Fit, ...]) -> dict[str, object]:
    options: dict[str, object] = {}

    def fits(_: object, boards: object, **rest: object) -> Fits:
        options.update(rest, boards=boards)
        return Fits("conv_delay_256", "int8", 10.0, 80, rows)

    monkeypatch.setattr(FITS, "fits", fits)
    return options


def test_the_table_says_what_fits_why_not_and_where_figures_come_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = asked(monkeypatch, ROWS)
    show_fits("conv_delay_256", {"numeric": "int8", "boards": "tiny, nrf52840,esp32"}, False)
    assert options["boards"] == ("tiny", "nrf52840", "esp32")
    assert options["numeric"] == "int8"
    text = capsys.readouterr().out
    assert "28,913" in text
    assert "tiny: flash is 2.0 KB over its 16.0 KB" in text
    assert "esp32: modelled on cortex_m4" in text
    assert "one cycle per instruction" in text
    assert text.splitlines()[-1].endswith("build conv_delay_256 --target nrf52840 --numeric int8")


def test_json_has_a_row_for_each_board(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(monkeypatch, ROWS[:1])
    with refusal(BudgetError, "fits none of tiny", 7):
        show_fits("conv_delay_256", {}, True)
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "delrec.fits/1"
    assert told["cycles_per_instruction"] == 1
    assert [row["target"] for row in told["rows"]] == ["tiny"]


def test_options_of_fits_need_a_network() -> None:
    with refusal(UsageError, r"--boards pi4: only with --fits NETWORK", 2):
        refuse_without_network({"numeric": None, "boards": "pi4"})
    refuse_without_network({"numeric": None})
