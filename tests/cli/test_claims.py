"""`claims` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures.command import ok, refused
from fixtures.shd import write_published
from helpers import refusal

from delrec_compile.cli import claims as cli_claims
from delrec_compile.errors import UsageError


def test_claims_of_a_folder(tmp_path, tiny_data):
    arguments = ("claims", tiny_data, "--variants", "conv_delay", "--quick", "--no-latency")
    arguments += ("--cache", tmp_path / "cache", "--markdown", tmp_path / "claims.md")
    told = json.loads(ok(*arguments, "--json"))
    assert told["schema"] == "delrec.claims/1"
    (row,) = told["rows"]
    assert (row["kind"], row["seeds"], row["recurrent_parameters"]) == ("conv_delay", 1, 259)
    assert row["saving"] == pytest.approx(1 - 259 / 65792)
    assert told["trained"] == 1
    assert "0 trainings" in ok(*arguments, "--device", "cpu")
    told = "error: device is 'gpu', which torch does not know; use cpu"
    assert told in refused(2, "claims", tmp_path / "nothing", "--device", "gpu")
    assert "| conv_delay | 259 | 99.6 % |" in (tmp_path / "claims.md").read_text()
    assert "unknown variant 'convdelay'" in refused(
        2, "claims", tiny_data, "--variants", "convdelay"
    )


def test_options_of_every_network(tmp_path: Path, tiny_data: Path) -> None:
    page = tmp_path / "claims.md"
    asked = ("claims", tiny_data, "--variants", "feed_forward,conv_delay", "--quick")
    asked += ("--no-latency", "--cache", tmp_path / "cache", "--markdown", page)
    own = ("--set", "stretch_steps=0.1", "--set", "hidden=32")
    assert "2 trainings" in ok(*asked)
    made = json.loads(ok(*asked, *own, "--json"))
    assert made["trained"] == 2
    assert made["rows"][1]["recurrent_parameters"] == 32 + 3
    assert "--set stretch_steps=0.1 --set hidden=32 --quick" in page.read_text()
    assert "0 trainings" in ok(*asked, *own)
    for name in ("seed", "teacher", "device"):
        assert f"no option '{name}'" in refused(2, *asked, "--set", f"{name}=1")


def test_options_of_one_network(tmp_path: Path, tiny_data: Path) -> None:
    asked = ("claims", tiny_data, "--variants", "dense,conv_delay", "--quick", "--no-latency")
    asked += ("--cache", tmp_path, "--set", "hidden=32", "--json")
    dense, conv = json.loads(ok(*asked, "--set", "conv_delay.hidden=16"))["rows"]
    assert dense["recurrent_parameters"] == 32 * 32
    assert conv["recurrent_parameters"] == 16 + 3
    made = json.loads(ok(*asked, "--set", "conv_delay.hidden=24", "--set", "conv_delay.kernel=5"))
    assert made["rows"][0] == dense
    assert made["trained"] == 1
    assert made["rows"][1]["recurrent_parameters"] == 24 + 5
    for setting, why in (
        ("conv.hidden=16", "no network 'conv'; did you mean 'conv_delay'? is compared"),
        (".hidden=16", "no network ''"),
        ("conv_delay.steps=9", "--set conv_delay.steps=9: steps is the same for all networks"),
        ("conv_delay.seed=9", "--set conv_delay.seed=9: seed is the same for all networks"),
        ("conv_delay.hidden=few", "--set conv_delay.hidden=few: 'few' is not an integer"),
        ("conv_delay.hidden", "a value is required, such as --set conv_delay.hidden=VALUE"),
    ):
        assert why in refused(2, *asked, "--set", setting)


def test_the_command_names_no_empty_list_and_is_recorded_whole(
    tmp_path: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for names in (",", "", " , "):
        with refusal(UsageError, "no variant is specified; allowed: feed_forward, ", 2, tmp_path):
            cli_claims.claims(tiny_data, variants=names, markdown=[tmp_path / "new" / "page.md"])
    page = tmp_path / "page.md"
    cache = tmp_path / "cache"
    for recorded in (False, True):
        cli_claims.claims(
            tiny_data,
            variants="feed_forward",
            quick=True,
            latency=False,
            cache=cache,
            recorded=recorded,
            markdown=[page],
        )
    told = f"--variants feed_forward --seeds 3 --cache {cache} --quick --no-latency --recorded`"
    assert f"Made by `delrec-compile claims DATA {told}" in page.read_text()
    capsys.readouterr()
    cli_claims.claims(tiny_data, variants="feed_forward", quick=True, cache=cache, recorded=True)
    assert "timing" not in capsys.readouterr().err


def test_the_table_of_the_papers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, page = write_published(tmp_path / "shd"), tmp_path / "page.md"
    given = {"paper": True, "quick": True, "latency": False, "cache": tmp_path / "cache"}
    with refusal(UsageError, "unknown variant 'conv_delay'.*; allowed: paper_conv, ", 2):
        cli_claims.claims(data, variants="conv_delay", **given)
    cli_claims.claims(data, variants="paper_conv_delay", markdown=[page], **given)
    line = "claims DATA --paper --variants paper_conv_delay --seeds 10 --cache"
    assert f"Made by `delrec-compile {line}" in page.read_text()
    assert "| conv-DelRec, 4 x 256 | 91.51 ± 0.70 % | 9 |" in page.read_text()
    capsys.readouterr()
    cli_claims.claims(data, variants="paper_conv_delay", as_json=True, **given)
    told = json.loads(capsys.readouterr().out)
    assert (told["trained"], told["valid_speakers"]) == (0, 2)
    assert told["rows"][0]["published"]["accuracy"] == 0.9151
