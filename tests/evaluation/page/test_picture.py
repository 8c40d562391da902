"""The picture: a PNG of the sample and the bars, whatever the names hold."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib import image as reader

from delrec_compile.errors import ToolchainError
from delrec_compile.evaluation.page import picture as pictures
from delrec_compile.evaluation.page.figures import Page, Section
from delrec_compile.evaluation.page.latency import Times
from delrec_compile.evaluation.page.recording import Recording


def page(name: str = "a name") -> Page:
    times = Times(1000.0)
    times.add(name, 5.0, 0.1, "own")
    times.add("chip", 50.0, kind="estimate own")
    times.add("absent", None)
    return Page(name, name, (), (Section("s", name, (times.drawn(name, ""),)),), "")


def drawn(raw: bytes) -> Any:
    return np.asarray(reader.imread(io.BytesIO(raw), format="png"))


def test_a_sample_and_bars(recording: Recording) -> None:
    whole = drawn(pictures.picture(page(), recording))
    assert whole.shape[1] == pictures.WIDTH * pictures.DPI
    left, right = np.array_split(whole[..., :3].min(axis=2), 2, axis=1)
    assert (left < 0.3).mean() > 0.01  # spikes
    assert (right < 0.5).mean() > 0.001
    alone = drawn(pictures.picture(page(), None))
    assert alone.shape == whole.shape
    wide = drawn(pictures.picture(replace(page(), sections=()), recording))
    _, right = np.array_split(wide[..., :3].min(axis=2), 2, axis=1)
    assert (right < 0.3).mean() > 0.01, "without bars the spikes have all of it"


def test_names_are_no_formulas(recording: Recording) -> None:
    named = replace(recording, names=("$a_{", "b^$"), labels=("$x",) * 20)
    assert drawn(pictures.picture(page("$\\frac{"), named)).any()


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ToolchainError, match=r"\[plots\].*--html"):
        pictures.available()
