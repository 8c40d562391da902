"""How samples are read: stated by a user, or by the notes of a network."""

from __future__ import annotations

from dataclasses import replace

import cases
import pytest
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.reading import Reading, reading_of, with_reading


def test_trained_networks_state_their_steps() -> None:
    assert reading_of(checkpoint.load()) == Reading(steps=80)


def test_a_reading_survives_in_the_notes(tmp_path) -> None:
    reading = Reading(steps=250, align_first_spike=True, lead=1)
    network = with_reading(cases.network("mixed"), reading)
    path = checkpoint.save(network, tmp_path / "a.safetensors")
    assert reading_of(checkpoint.load(path)) == reading


def test_nothing_stated_changes_nothing() -> None:
    network = cases.network("mixed")
    assert with_reading(network, Reading()) is network
    assert reading_of(network) == Reading()


@pytest.mark.parametrize(
    "notes", [{"input": {"steps": "many"}}, {"input": {"steps": 0}}, {"config": 3}, {"input": None}]
)
def test_notes_of_another_kind_state_nothing(notes) -> None:
    assert reading_of(replace(cases.network("mixed"), notes=notes)) == Reading()


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("lead", -1), ("dt_ms", 0.0)])
def test_values_out_of_range_are_refused(name: str, value: float) -> None:
    with refusal(UsageError, f"{name} is {value:g}", 2):
        Reading(**{name: value})
