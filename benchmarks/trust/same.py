"""Row 17: the same network gives the same bytes, in any folder, zone, language, or order of hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmarks.trust import commands, made
from benchmarks.trust.row import Result, Scale

VARIED = (
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"},
    {"PYTHONHASHSEED": "4242", "TZ": "UTC", "LC_ALL": "C", "LANG": "C"},
)
OWN_TIME = {"measured.json", "report.md"}  # they hold times that were measured


def measure(folder: Path, scale: Scale) -> Result:
    """Every file of an export and of builds for several targets, made twice."""
    result = Result()
    source, samples = made.network_file(folder), made.samples_file(folder, made.network())
    targets = ("x86_64", "portable_c", "cortex_m4", "arm_cpu", "wasm32", "cuda")
    for target in targets[: scale.of(6, 2)]:
        files = []
        for i, changed in enumerate(VARIED):
            place = folder / ("one" if i == 0 else "another ünï") / target
            place.mkdir(parents=True)
            words: commands.Words = [
                "build",
                source,
                "-t",
                target,
                "-i",
                samples,
                "-o",
                place / "out",
            ]
            done = commands.run(*words, cwd=place, changed=changed)
            assert done.code == 0, done.err
            files.append(_digests(place / "out"))
        for name in sorted({*files[0], *files[1]} - OWN_TIME):
            same = files[0].get(name) == files[1].get(name)
            result.count("equal" if same else "differs", None if same else f"{target}: {name}")
    return result


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
