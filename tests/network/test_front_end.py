"""The front end in a network's notes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest

from delrec_compile.data.events import Events
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.errors import DataError, UnsupportedError
from delrec_compile.network import checkpoint
from delrec_compile.network.classify import accuracy
from delrec_compile.network.front_end import BUNDLED, NOTE, front_end_of
from delrec_compile.network.inputs import read_inputs

FRONT = FrontEnd(channels=14, step_ms=10)
NETWORK = replace(cases.network("mixed"), max_input=31, notes={NOTE: FRONT.to_json()})


def test_the_notes_keep_it_through_a_file(tmp_path: Path) -> None:
    checkpoint.save(NETWORK, tmp_path / "n.safetensors")
    assert front_end_of(checkpoint.load(tmp_path / "n.safetensors")) == FRONT


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"notes": {}}, "carries no front end.*conv_delay_128_listening"),
        ({"notes": {NOTE: {"kind": "mel"}}}, "'mixed': front end"),
        ({"notes": {NOTE: FrontEnd(channels=9).to_json()}}, "inputs 14, its front end gives 9"),
        ({"dt_ms": 5.0}, "dt_ms 5, its front end gives 10"),
        ({"max_input": 9}, "counts up to 9, its front end gives up to 10"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changed: dict[str, object], words: str) -> None:
    with pytest.raises(UnsupportedError, match=words) as caught:
        front_end_of(replace(NETWORK, **changed))
    assert caught.value.exit_code == 4


def test_the_bundled_network_hears_the_bundled_words() -> None:
    network = checkpoint.load(BUNDLED)
    found = read_inputs(network)
    assert "10 bundled words" in found.remark
    assert found.samples.counts.shape == (10, 80, 64)
    assert accuracy(network, found.samples.counts, found.samples.labels) == pytest.approx(0.8)
    readme = (checkpoint.bundled(BUNDLED).parent / "README.md").read_text()
    (row,) = [line for line in readme.splitlines() if line.startswith(f"| {BUNDLED} |")]
    for name in ("valid", "test"):
        assert f"{network.notes['accuracy'][name]:.1%}".replace("%", " %") in row
    assert network.notes["command"] in readme
    assert np.array_equal(found.samples.counts, front_end_of(network).encode(_pcm()))


def test_counts_of_another_front_end_are_refused() -> None:
    counts = np.ones((1, 5, FRONT.channels), np.uint8)
    for front, fits in ((FRONT, True), (replace(FRONT, threshold=99), False)):
        described = json.dumps(front.to_json())
        samples = Events(counts, None, None, None, 10.0, front_end=described)
        if fits:
            assert len(read_inputs(NETWORK, samples).samples) == 1
            assert len(read_inputs(replace(NETWORK, notes={}), samples).samples) == 1
            continue
        with pytest.raises(DataError, match=r"another front end than.*'mixed' was trained behind"):
            read_inputs(NETWORK, samples)


def _pcm() -> np.ndarray:
    from delrec_compile.data.sounds import bundled_sounds

    return bundled_sounds().pcm
