"""Row 22: a command that refuses does so at once, before it loads what it would have worked with."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.trust import commands, made
from benchmarks.trust.readers import READERS
from benchmarks.trust.row import Result, Scale

CPU_S, BYTES = 1.0, 200 << 20
# in a small process: the memory of a child counts what its parent had when it forked
WAIT = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
code = process.returncode = os.waitstatus_to_exitcode(status)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss << 10)
"""


def measure(folder: Path, scale: Scale) -> Result:
    """CPU time and memory of each refusal, with all the processes that it starts."""
    result, slowest, largest = Result(), 0.0, 0
    for words in list(_lines(folder))[:: scale.of(1, 3)]:
        said, code, cpu, resident = _run(words, folder)
        what = " ".join(str(word).removeprefix(f"{folder}/") for word in words)
        fault = None
        if not commands.Done(code, "", said).is_refusal:
            fault = f"{what}: exit {code}: {said[-200:]}"
        elif cpu > CPU_S or resident > BYTES:
            fault = f"{what}: {cpu:.1f} s, {resident >> 20} MB"
        slowest, largest = max(slowest, cpu), max(largest, resident)
        result.count("refused at once" if fault is None else "too late", fault)
    result.figures = {"cpu_s": round(slowest, 2), "resident_mb": largest >> 20}
    return result


def _lines(folder: Path) -> Iterator[commands.Words]:
    """Command lines that are refused."""
    network, samples = made.network_file(folder), made.samples_file(folder, made.network())
    cut = folder / "cut.safetensors"
    cut.write_bytes(network.read_bytes()[:-3])
    noise = {
        s: folder / f"noise{s}" for s in (".onnx", ".nir", ".pth", ".npz", ".csv", ".h5", ".toml")
    }
    for path in noise.values():
        path.write_bytes(b"\x93 noise [")
    (folder / "empty").mkdir()
    (folder / "taken.onnx").write_text("")
    archive = folder / "pickle.pth"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("archive/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
    manifest = READERS["manifest"].make(folder)
    manifest.write_text(manifest.read_text()[:-9])
    yield ["nothing"]
    yield ["build", "nothing.safetensors"]
    yield ["build", cut]
    yield ["build", noise[".onnx"]]
    yield ["build", network, "--targt", "x86_64"]
    yield ["build", network, "-t", "nothing"]
    yield ["build", network, "-t", noise[".toml"]]
    yield ["build", network, "-i", noise[".npz"]]
    yield ["build", network, "-i", noise[".csv"]]
    yield ["build", network, "-i", noise[".h5"]]
    yield ["build", network, "-o", samples / "below"]
    yield ["build", network, "--numeric", "int4"]
    yield ["build", network, "--device", "http://nothing"]
    yield ["export", network, "-o", "taken.onnx"]
    yield ["export", network, "-o", "step.txt"]
    yield ["check", "empty"]
    yield ["check", manifest.parent]
    yield ["run", manifest.parent, "-i", samples]
    yield ["inspect", manifest.parent]
    yield ["inspect", noise[".onnx"]]
    yield ["bench", "nothing"]
    yield ["package", "empty", "-f", "python"]
    yield ["train", "empty", "-o", "net.safetensors"]
    yield ["train", "nothing", "-o", "net.safetensors"]
    yield ["tune", network, "--trials", "-1"]
    yield ["tune", cut]
    yield ["compare", network, "--targets", "x86_64,nothing"]
    yield ["compare", network, "--max-flash", "many"]
    yield ["import", noise[".nir"], "-o", "net.safetensors"]
    yield ["import", noise[".pth"], "-o", "net.safetensors", "--recipe", "delrec-shd"]
    yield ["import", archive, "-o", "net.safetensors", "--recipe", "delrec-shd"]
    yield ["import", "nothing.nir", "-o", "net.safetensors"]
    yield ["report", "nothing"]
    yield ["db", "merge", "nothing"]


def _run(words: commands.Words, folder: Path) -> tuple[str, int, float, int]:
    """What was said, the exit code, seconds of CPU, and bytes of the largest process."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", WAIT, *commands.COMMAND, *map(str, words)],
        cwd=folder,
        env=commands.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    code, cpu, resident = done.stdout.split()[-3:]
    return done.stderr, int(code), float(cpu), int(resident)
