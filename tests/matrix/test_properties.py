"""Networks and files that hypothesis makes: written and read, damaged, and run in every quick engine.

`DELREC_CASES=10000 pytest tests/matrix/test_properties.py` tries many more.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.trust import properties
from benchmarks.trust.mutations import KINDS, Damage
from benchmarks.trust.properties import PROPERTIES, checked
from delrec_compile.network import checkpoint
from delrec_compile.network.model import Network

CASES = int(os.environ.get("DELREC_CASES", "80"))
SHARE = sum(1 / one.share for one in PROPERTIES.values())


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_property_holds(name: str) -> None:
    one = PROPERTIES[name]
    told = checked(one, max(1, round(CASES / SHARE / one.share)))
    assert told.total() > 0


def test_a_reader_that_loses_a_bit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    load = checkpoint.load

    def forgetful(path: Any) -> Network:
        network = load(path)
        return replace(network, dt_ms=float(np.nextafter(network.dt_ms, 0)))

    monkeypatch.setattr(properties.checkpoint, "load", forgetful)
    with pytest.raises(AssertionError):
        checked(PROPERTIES["network files"], 1, shrink=False)


def test_a_reader_that_takes_damage_for_another_network_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("delrec_compile.network.tensor_file._checksum", lambda *_: "0")
    with pytest.raises(AssertionError):
        checked(PROPERTIES["network files"], 100, shrink=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damage_changes_bytes(kind: str) -> None:
    raw = bytes(range(1, 100))
    for place in (0.0, 0.5, 1.0):
        assert Damage(kind, place, 3, 4).of(raw) != raw


def broken(*_: Any) -> None:
    raise AssertionError("a bit")


def test_the_command_tells_cases_and_what_broke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert properties.main(["--cases", "3", "--only", "samples"]) == 0
    assert "samples: 3 cases" in capsys.readouterr().out
    monkeypatch.setattr(properties, "checked", broken)
    assert properties.main(["--cases", "3", "--only", "samples"]) == 6
    assert "samples: broken: AssertionError('a bit')" in capsys.readouterr().out
