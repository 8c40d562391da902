"""Row 15: a compiler that crashes, hangs, or takes all memory ends the command, with its log kept."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from benchmarks.trust import commands, made
from benchmarks.trust.row import Result, Scale
from delrec_compile.errors import CompilerCrash

LIMIT_S = 20.0
HOOK = """
import os, resource, signal, sys, time
kind = os.environ.get("TRUST_CHILD")
if kind and "-c" in sys.orig_argv:
    if kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "hang":
        print("about to hang", file=sys.stderr, flush=True)
        time.sleep(3600)
    elif kind == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
"""
COMPILERS = {
    "C compiler that crashes": "kill -SEGV $$",
    "C compiler that hangs": "echo working >&2; sleep 3600",
    "C compiler that fails": "echo 'no space for this' >&2; exit 1",
}


def measure(folder: Path, scale: Scale) -> Result:
    """Children of `build`, and compilers of theirs."""
    result = Result()
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    python = os.pathsep.join([str(hook), commands.environment()["PYTHONPATH"]])
    for kind in ("segfault", "killed", "hang", "memory")[: scale.of(4, 2)]:
        _ended(result, folder, kind, {"TRUST_CHILD": kind, "PYTHONPATH": python})
    for kind, text in list(COMPILERS.items())[: scale.of(3, 1)]:
        script = folder / "cc"
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
        _ended(result, folder, kind, {"CC": str(script)})
    return result


def _ended(result: Result, folder: Path, kind: str, changed: dict[str, str]) -> None:
    source, samples = made.network_file(folder), made.samples_file(folder, made.network())
    scratch = folder / f"scratch {kind}"
    scratch.mkdir()
    out = folder / f"out {kind}"
    changed = {**changed, "TMPDIR": str(scratch), "DELREC_TIMEOUT": str(LIMIT_S)}
    started = time.monotonic()
    done = commands.run("build", source, "-i", samples, "-o", out, cwd=folder, changed=changed)
    took = time.monotonic() - started
    said = f"{kind}: exit {done.code} after {took:.0f} s: {done.err[-300:]}"
    fault = None
    if not done.is_refusal or "Traceback" in done.err:
        fault = said
    elif "hang" in kind and not LIMIT_S * 0.9 < took < LIMIT_S * 1.1 + 10:  # and what comes before
        fault = f"{said}; the limit is {LIMIT_S:g} s"
    elif done.code == CompilerCrash.exit_code and not _logs(done.err):
        fault = f"{said}; no log is kept"
    elif out.exists():
        fault = f"{said}; {out} is left"
    result.count(f"{kind}: exit {done.code}", fault)


def _logs(text: str) -> list[Path]:
    """The files that a message names and that hold something."""
    named = [Path(word.rstrip(".,;)")) for word in re.findall(r"/\S+", text)]
    return [path for path in named if path.is_file() and path.stat().st_size]
