"""The proof from sound to class."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cases
import pytest
from fixtures.manifests import typed
from fixtures.staged import artifact_here
from helpers import refusal

from delrec_compile.artifact.manifest import FILE, Artifact
from delrec_compile.artifact.package import checksums
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.sounds import bundled_sounds
from delrec_compile.errors import ParityError, UnsupportedError
from delrec_compile.evaluation import hearing
from delrec_compile.evaluation.hearing import heard, line, require_equal
from delrec_compile.network.front_end import NOTE
from delrec_compile.runners import listening
from delrec_compile.system.fields import sealed_text

Built = Callable[[str, str], str]
FRONT = FrontEnd(channels=14, threshold=3_000)
NETWORK = replace(cases.network("mixed"), max_input=31, notes={NOTE: FRONT.to_json()})

RESULT = {
    "words": 2,
    "steps": 80,
    "spikes": 3_202,
    "counts_differing": 0,
    "outputs_differing": 0,
    "front_end_instructions": 374_668.0,
    "instructions": 389_017.0,
    "worst_instructions": 400_000,
    "stack_bytes": 1_800,
    "estimated_share_of_dt": 0.238,
    "energy_nj": {"front_end": 291.4, "network": 11.2},
}


def test_a_line_says_what_it_costs_and_that_energy_is_an_estimate() -> None:
    text = line(RESULT)
    assert "389,017 instructions per step, 374,668 of them the front end's, at most 23.8%" in text
    assert "an estimate: 291 nJ the front end, 11 nJ the network" in text
    native = {k: v for k, v in RESULT.items() if "instructions" not in k}
    assert "instructions" not in line(native)
    unclocked = line({**RESULT, "estimated_share_of_dt": None})
    assert "front end's; arithmetic of a step" in unclocked


@pytest.mark.parametrize("what", ["counts", "outputs"])
def test_a_difference_is_an_error(what: str) -> None:
    require_equal(RESULT)
    with pytest.raises(ParityError, match=f"3 {what} of 2 words differ"):
        require_equal(RESULT | {f"{what}_differing": 3})


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    """`built(target, numeric)`: the folder of an artifact with a front end; few words, that begin."""
    sounds = bundled_sounds()
    few = replace(sounds, pcm=sounds.pcm[:3, 1_600:2_880])
    monkeypatch.setattr(hearing, "bundled_sounds", lambda: few)

    def make(target: str, numeric: str) -> str:
        made = artifact_here(NETWORK, target, tmp_path, numeric=numeric, front=FRONT)
        whole = replace(made.manifest, files=checksums(tmp_path))
        (tmp_path / FILE).write_text(sealed_text(whole.to_json()))
        return str(tmp_path)

    return make


def test_code_of_this_machine_hears_every_word_and_counts_nothing(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = built("x86_64", "float32")
    result = heard(path)
    require_equal(result)
    assert (result["words"], result["steps"]) == (3, 8)
    assert result["spikes"] > 40
    assert "instructions" not in result
    assert result["energy_nj"]["front_end"] > 0 < result["energy_nj"]["network"]
    assert json.loads(json.dumps(result)) == result
    monkeypatch.setattr(listening.NativeListener, "self_test", lambda _: False)
    with refusal(ParityError, "the self-test of the front end of .* fails; build it again", 6):
        heard(path)


def test_code_of_a_chip_hears_some_words_and_counts_its_steps(built: Built) -> None:
    result = heard(built("cortex_m4", "int8"))
    require_equal(result)
    assert result["words"] == hearing.EMULATED_WORDS
    assert 0 < result["front_end_instructions"] < result["instructions"]
    share = result["worst_instructions"] / 168 / (1e3 * FRONT.step_ms)
    assert result["estimated_share_of_dt"] == pytest.approx(share)
    assert line(json.loads(json.dumps(result))).startswith("from sound: 2 words, ")


def test_a_board_takes_no_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU's boards run whole programs."""
    artifact = Artifact(tmp_path, typed(core="cortex_m55", front_end=FRONT.to_json()))
    monkeypatch.setattr(hearing, "load_artifact", lambda _: artifact)
    monkeypatch.setattr(hearing, "artifact_runner", lambda _: object())
    with refusal(UnsupportedError, "code of cortex_m55 runs on an emulated board .* no sound", 4):
        heard(str(tmp_path))
