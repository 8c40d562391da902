"""Options that every command has."""

from __future__ import annotations

from pathlib import Path

import pytest

from delrec_compile.cli.common import Common, split
from delrec_compile.errors import UsageError


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["--debug"], {"debug": True}),
        (["-v"], {"verbose": True}),
        (["--quiet"], {"quiet": True}),
        (["--version"], {"version": True}),
        (["--log-file", "a b"], {"log_file": Path("a b")}),
        (["--log-file=a b"], {"log_file": Path("a b")}),
        (["--config", "c.toml"], {"config": Path("c.toml")}),
    ],
)
def test_they_are_taken_wherever_they_stand(
    place: int, words: list[str], fields: dict[str, object]
) -> None:
    line = ["build", "net"]
    assert split([*line[:place], *words, *line[place:]]) == Common(line, **fields)  # type: ignore[arg-type]


def test_what_follows_two_dashes_is_left_alone() -> None:
    assert split(["inspect", "--", "--debug", "-q"]) == Common(["inspect", "--", "--debug", "-q"])


def test_train_keeps_the_file_of_its_recipe() -> None:
    line = ["train", "digits", "--config", "recipe.toml"]
    assert split(["--config=delrec.toml", *line]) == Common(line, config=Path("delrec.toml"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["build", "--log-file"], "--log-file: a file is required"),
        (["build", "--config", "--force"], "--config: a file is required"),
        (["build", "-v", "-q"], "only one of them"),
    ],
)
def test_what_makes_no_sense_is_refused(line: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        split(line)
