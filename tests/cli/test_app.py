"""The command line, as a user types it: results, JSON, exit codes, manners."""

import statistics
import subprocess
import sys
import time

import pytest
from fixtures.command import cli, ok, refused


@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (4, ("build", "--target", "x86_65"), "did you mean 'x86_64'?"),
        (4, ("build", "--numeric", "int4"), "allowed: float32"),
        (4, ("build", "--cpu", "zenver4"), "unknown CPU"),
        (4, ("build", "--unroll", "0"), "at least 1"),
        (3, ("build", "missing.safetensors"), "no such file"),
        (3, ("inspect", "conv_delay_265"), "did you mean 'conv_delay_256'?"),
        (4, ("export", "--form", "foreign"), "allowed: portable, semantic"),
        (3, ("run", "nothing"), "no such file"),
        (3, ("data", "info", "nothing.h5"), "no such file"),
    ],
)
def test_bad_input_is_one_line(code, arguments, words, tmp_path):
    assert words in refused(code, *arguments, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_are_exit_2():
    for arguments in (("bild",), ("build", "--nope"), ("run",)):
        done = cli(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert cli().returncode == 2


def test_debug_shows_the_traceback(tmp_path):
    done = cli("--debug", "inspect", "missing.safetensors", cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_help_is_fast_and_imports_nothing_heavy():
    times = []
    for _ in range(5):
        start = time.perf_counter()
        ok("--help")
        times.append(time.perf_counter() - start)
    bare = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import typer"], check=True)
        bare.append(time.perf_counter() - start)
    assert statistics.median(times) < 4 * statistics.median(bare)
    heavy = ("torch", "tvm", "onnx", "numpy", "rich")
    code = f"import sys, delrec_compile.cli.app; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
