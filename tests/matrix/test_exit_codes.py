"""The exit codes of wrong usages: one line each, before any work, with nothing written."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from helpers import tree

from delrec_compile.cli.app import _exit_code

USAGE = """
build --unroll 0
export --unroll 0
build --limit 0
run --limit 0
bench --rounds 0
bench --rows nosuch
bench --form nosuch
bench --form batch --batch 0
footprint --rows nosuch
footprint --rounds 0
claims . --seeds 0
compare --max-us 0
compare --max-flash x
compare --max-ram -1
compare --targets x86_64 --max-instructions 5
tune --minutes 0
tune --trials 0
tune --jobs 0
build --device nosuch
build --device ssh://
tune --device nosuch
devices --device nosuch
devices tracker --port 0
import a.nir -o n.safetensors --max-input 0
import a.nir -o n.safetensors --dt-ms 0
import a.nir -o text.txt
train . -o text.txt
train . -o n.safetensors --epochs 0
train . -o n.safetensors --fold -1
train . -o n.safetensors --hidden 0
train . -o n.safetensors --set nosuch=1
train . -o n.safetensors --set lr
train . -o n.safetensors --recurrence nosuch
train . -o n.safetensors --device nosuch
train . -o n.safetensors --workers 2
train . -o d --sweep text.txt
train . -o d --sweep text.txt --workers 0
train . -o d --sweep text.txt --cluster nosuch
data synth d --train -1
data fetch nosuch d
data fetch shd d --url file:///x
data synth d --folds 2
data synth d --folds 5 --test 3
data synth d --words-per-voice-and-class 3
data synth d --synthesiser nosuch
export --form nosuch
export --form nir --unroll 3
export --form nir --batch 3
export --batch 0
export --form nir -o step.onnx
export -o step.txt
export --form semantic -o step.nir
build --calibrate samples.npz
tune --calibrate samples.npz
nosuch
build --nosuch
data synth
"""
MISSING = """
run nosuch
check nosuch
check conv_delay_256 --network nosuch
bench nosuch
inspect nosuch
footprint nosuch
flash nosuch
build nosuch.safetensors
build nosuch.onnx
build nosuch.onnx --dry-run
export nosuch.safetensors
report nosuch
package nosuch --wheel
listen nosuch
compare nosuch.safetensors
tune nosuch.safetensors
import nosuch.nir -o n.safetensors
import nosuch.pth -o n.safetensors
import nosuch.pth
import nosuch.pth --dry-run
import nosuchmodule:x -o n.safetensors
import os:nosuch -o n.safetensors
train nosuch -o n.safetensors
train . -o n.safetensors --config nosuch.toml
train . -o d --sweep nosuch.toml
claims nosuch
data info nosuch.h5
build --input nosuch.npz
compare --input nosuch.npz
tune --input nosuch.npz
build --numeric int8 --calibrate nosuch.npz
tune --numeric int8 --calibrate nosuch.npz
build --target ./nosuch.toml
compare --targets ./nosuch.toml
tune --target ./nosuch.toml
build --db nosuch
build --db text.txt
tune --db text.txt
db ls --db nosuch
db verify --db nosuch
db repair --db nosuch
db export --db nosuch
db merge nosuch
build --dump text.txt
compare --html text.txt
"""
UNSUPPORTED = """
build --target nosuch
compare --targets nosuch
tune --target nosuch
flash --target nosuch
flash --target x86_64
build --numeric int4
compare --numeric int4
tune --numeric int4
"""
DEVICE = """
train . -o n.safetensors --device cuda:99
"""
LINES = [
    (code, line)
    for code, lines in ((2, USAGE), (3, MISSING), (4, UNSUPPORTED), (8, DEVICE))
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("code", "line"), LINES)
def test_a_wrong_usage_is_one_line_with_its_code(
    code: int,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("text")
    before = tree(tmp_path)
    assert _exit_code(shlex.split(line)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert code != 3 or err.startswith("error: "), "no progress of what is not there"
    assert len([text for text in err.splitlines() if text.startswith("error: ")]) == 1
    assert not [word for word in ("=True", "=...", "Traceback", "internal") if word in err], err
    assert "compiling" not in err
    assert tree(tmp_path) == before
