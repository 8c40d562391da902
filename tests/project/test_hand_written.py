"""The step by hand: the same bits as the compiled one, and what it says where it cannot run."""

from pathlib import Path

import pytest
from fixtures.avx512 import needs_bitalg
from helpers import refusal

import delrec_compile
from benchmarks import guard, hand_written
from delrec_compile.errors import ParityError, UnsupportedError


def info(folder: Path, *flags: str) -> Path:
    """A /proc/cpuinfo of a processor with these features."""
    path = folder / "cpuinfo"
    path.write_text(f"flags\t\t: fpu {' '.join(flags)}\n")
    return path


def test_a_processor_that_lacks_a_feature_is_refused(tmp_path):
    hand_written.require_features(info(tmp_path, *hand_written.FEATURES))
    with refusal(UnsupportedError, "this processor lacks avx512_vbmi2, avx512_vnni", 4):
        hand_written.require_features(info(tmp_path, *hand_written.FEATURES[:3]))
    with refusal(UnsupportedError, "this processor lacks avx512f,", 4):
        hand_written.require_features(tmp_path / "nothing")


def test_the_command_ends_with_the_code_of_a_refusal(monkeypatch, capsys):
    monkeypatch.setattr(hand_written, "FEATURES", ("avx10000",))
    assert hand_written.main(["--rounds", "1"]) == UnsupportedError.exit_code
    assert "lacks avx10000" in capsys.readouterr().err


def test_zig_compiles_where_there_is_no_clang(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert hand_written.compiler()[-2:] == ["ziglang", "cc"]


@needs_bitalg
def test_every_bit_is_that_of_the_compiled_step(compiled, tmp_path, monkeypatch, capsys):
    session = compiled(delrec_compile.load(hand_written.NETWORK))
    own = guard.Built(session.artifact.library, session.artifact.manifest.name, session.y.shape[-1])
    monkeypatch.setattr(hand_written, "build", lambda *_: own)
    found = hand_written.measure(rounds=1)
    assert found["median"] == pytest.approx(found["compiled_us"] / found["by_hand_us"])
    assert "clang" in found["compiler"]
    assert hand_written.main(["--rounds", "1"]) == 0
    assert "compiled takes" in capsys.readouterr().out
    wrong = hand_written.tables(delrec_compile.load("conv_delay_256")).replace("BETA3 ", "BETA3 2*")
    monkeypatch.setattr(hand_written, "tables", lambda _: wrong)
    with refusal(ParityError, "outputs of the step by hand differ", 6):
        hand_written.measure(rounds=1)
