"""The files of a front end, and the artifacts that hold it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest

from delrec_compile.aliases import Numeric
from delrec_compile.compiler.build import build, default_folder
from delrec_compile.compiler.front_end import STEPS, front_end_files, golden_pcm
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.front_end import NOTE

pytestmark = pytest.mark.usefixtures("children_here")

FRONT = FrontEnd(channels=6, step_ms=3)


def test_the_header_says_what_goes_in_and_comes_out() -> None:
    header = front_end_files(FRONT, "ear", 5, aligned=False)["ear_frontend.h"]
    for line in (
        "#define EAR_PCM_SAMPLES 48 /* of a call: 3 ms */",
        "#define EAR_CHANNELS 6",
        "    int32_t samples[2];",
        "    int32_t membrane[6];",
        "int ear_frontend(ear_frontend_state *state, const int16_t *pcm, uint8_t *counts);",
        "int ear_listen(ear_listener *listener, const int16_t *pcm, float *y);",
    ):
        assert line in header
    aligned = front_end_files(FRONT, "ear", 5, aligned=True)["ear_frontend.h"]
    assert "    EAR_H_ALIGNED int32_t u1[6];" in aligned
    assert "or the state not 64-byte aligned" in aligned
    assert "aligned" not in header


def test_the_sound_of_the_self_test_grows_and_makes_spikes() -> None:
    levels = np.abs(golden_pcm(FRONT).reshape(STEPS, -1).astype(int)).max(axis=1)
    assert np.all(np.diff(levels) > 0)
    assert levels[-1] > 16_000
    assert FRONT.encode(golden_pcm(FRONT)[None]).sum() > 10


def test_a_network_without_one_and_a_gpu_are_refused_before_work(tmp_path: Path) -> None:
    network = cases.network("mixed")
    with pytest.raises(UnsupportedError, match="'mixed' carries no front end"):
        build(network, "portable_c", tmp_path / "a", with_frontend=True)
    carrying = replace(network, notes={NOTE: FRONT.to_json()})
    with pytest.raises(UnsupportedError, match="cuda takes spikes"):
        build(carrying, "cuda", tmp_path / "a", with_frontend=True)
    assert not (tmp_path / "a").exists()


def test_an_artifact_with_one_has_a_folder_of_its_own() -> None:
    folder = default_folder("ear", "cortex_m4", Numeric.INT8, None, 1, True)
    assert folder == "ear-cortex_m4-int8-frontend"
