"""Rows 13 and 14: full disks, places that cannot be written, odd paths, and eight commands at once."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from benchmarks.trust import commands, forked, made
from benchmarks.trust.row import Result, Scale
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import DelrecError

ODD = ("with space", "quote'\"", "back\\slash", "ünïcödé", "$dollar;x&y", "l" * 200)
COUNT = 8
LONGEST = 4000  # characters of a path
FILLER = "filler"  # a file that takes all room


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system of memory with these options of mount. Raises CalledProcessError without root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def disks(folder: Path, scale: Scale) -> Result:
    """Each command that writes, where it cannot: a refusal of one line, and nothing half written."""
    result = Result()
    forked.prepare()
    source, samples = made.network_file(folder), made.samples_file(folder, made.network())
    writes: list[tuple[str, commands.Words, str]] = [
        ("build", ["build", source, "-i", samples, "-o"], "out"),
        ("export", ["export", source, "-o"], "step.onnx"),
        ("NIR", ["export", source, "--form", "nir", "-o"], "net.nir"),
        ("synth", ["data", "synth", "--train", "1", "--valid", "1", "--test", "1"], "digits"),
        ("tune", ["tune", source, "-i", samples, "--trials", "1", "--db"], "db"),
    ]
    for name, words, out in writes[: scale.of(5, 2)]:
        for what, options in (("full", "size=4k"), ("read-only", "ro")):
            with mounted(folder / f"{name}-{what}", options) as place:
                if what == "full":
                    (place / FILLER).write_bytes(bytes(4096))
                done = forked.run(*words, place / out, cwd=folder)
                others = [p for p in place.iterdir() if p.name != FILLER]
                left = [p.name for p in others if p.is_file() or any(p.iterdir())]
            _refused(result, f"{name}, {what}", done, left)
    _homes(result, folder, source, samples)
    _limits(result, folder, source, samples)
    _paths(result, folder, source, samples, scale)
    return result


def _refused(result: Result, what: str, done: commands.Done, left: list[str]) -> None:
    fault = None
    if not done.is_refusal:
        fault = f"{what}: exit {done.code}: {done.err[-200:]}"
    elif left:
        fault = f"{what}: {left} is left"
    result.count("refused" if fault is None else "not refused", fault)


def _homes(result: Result, folder: Path, source: Path, samples: Path) -> None:
    """No home, a home that isn't there, and a user without an entry in passwd: it builds."""
    build: commands.Words = ["build", source, "-i", samples, "-o"]
    for what, home in (("no HOME", None), ("HOME of nobody", "/nonexistent")):
        done = forked.run(*build, folder / what, cwd=folder, changed={"HOME": home})
        _built(result, what, done)
    own: dict[str, str | None] = {"HOME": None}
    done = forked.run(*build, folder / "nameless", cwd=folder, changed=own, install=_nameless)
    _built(result, "a user without a name", done)


def _nameless() -> None:
    """From here on nobody is in passwd."""

    def missing(user: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    pwd.getpwuid = missing


def _built(result: Result, what: str, done: commands.Done) -> None:
    fault = f"{what}: exit {done.code}: {done.err[-200:]}" if done.code else None
    result.count("built" if fault is None else "not built", fault)


def _limits(result: Result, folder: Path, source: Path, samples: Path) -> None:
    """A limit on the size of files, a path of 4,000 characters, and a clock that goes backwards."""
    limited = ("prlimit", "--fsize=4096")
    done = commands.run("export", source, "-o", "limited.onnx", cwd=folder, before=limited)
    left = [p.name for p in folder.iterdir() if "limited" in p.name]
    _refused(result, "a limit on sizes", done, left)
    deep = folder
    while len(str(deep)) < LONGEST - 100:
        deep /= "d" * 99
    words: commands.Words = ["export", source, "-o", deep / "step.onnx"]
    done = forked.run(*words, cwd=folder)
    if done.code:
        _refused(result, "a long path", done, [])
    else:
        _built(result, "a long path", done)
    build: commands.Words = ["build", source, "-i", samples, "-o", "built backwards"]
    tune: commands.Words = ["tune", source, "-i", samples, "--trials", "1", "--db", "db backwards"]
    for words in (build, tune):
        done = forked.run(*words, cwd=folder, install=_backwards)
        _built(result, f"{words[0]}, with a clock that goes backwards", done)


def _backwards() -> None:
    """From here on an hour less each second."""
    start, tick = time.time(), time.monotonic()
    time.time = lambda: start - 3600 * (time.monotonic() - tick)
    time.time_ns = lambda: round(1e9 * time.time())


def _paths(result: Result, folder: Path, source: Path, samples: Path, scale: Scale) -> None:
    """Odd folders: it builds there, for this machine and for a chip."""
    for odd in ODD[: scale.of(len(ODD), 2)]:
        place = folder / odd
        place.mkdir()
        own = place / source.name
        own.write_bytes(source.read_bytes())
        for target in ("x86_64", "cortex_m4")[: scale.of(2, 1)]:
            words: commands.Words = [
                "build",
                own,
                "-t",
                target,
                "-i",
                samples,
                "-o",
                place / f"o {target}",
            ]
            done = forked.run(*words, cwd=place)
            _built(result, f"{odd}, {target}", done)


def crowd(folder: Path, scale: Scale) -> Result:
    """Eight builds of one folder at once: with --force all succeed, without it one does."""
    result, count = Result(), scale.of(COUNT, 3)
    forked.prepare()
    source, samples = made.network_file(folder), made.samples_file(folder, made.network())
    for force in (True, False):
        out = folder / ("forced" if force else "alone")
        words: commands.Words = [
            "build",
            source,
            "-i",
            samples,
            "-o",
            out,
            *(["--force"] if force else []),
        ]
        with ThreadPoolExecutor(count) as pool:
            runs = [pool.submit(forked.run, *words, cwd=folder) for _ in range(count)]
        done = [run.result() for run in runs]
        won = sum(d.code == 0 for d in done)
        odd = [d for d in done if d.code != 0 and not d.is_refusal]
        fault = None
        if won != (count if force else 1):
            fault = f"{won} of {count} builds succeeded, --force: {force}"
        elif odd:
            fault = f"exit {odd[0].code}: {odd[0].err[-200:]}"
        else:
            fault = _torn(out)
        result.count(f"{'forced ' * force}crowd with {won} of {count} built", fault)
    return result


def _torn(out: Path) -> str | None:
    """What is wrong with an artifact or its archive."""
    try:
        load_artifact(out)
    except DelrecError as error:
        return str(error)
    with tarfile.open(out.with_name(f"{out.name}.tar.gz")) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            if file is None:
                continue
            path = out.parent / member.name
            if hashlib.sha256(file.read()).digest() != hashlib.sha256(path.read_bytes()).digest():
                return f"{member.name} differs in the archive"
    return f"nothing in {os.fspath(out)}" if not any(out.iterdir()) else None
