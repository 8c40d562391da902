"""`build`, `check` and `bench` of a plain ONNX step: the slower lane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delrec_compile.artifact import manifest
from delrec_compile.cli.terminal import print_json, saying, show, show_next
from delrec_compile.errors import UsageError

LANE = "a plain ONNX step"
SLOWER = (
    "the slower lane: TVM's own kernels compute every value at every step. A network in a "
    ".safetensors file builds to event-driven code, with equal bits everywhere"
)


def is_plain(path: Path) -> bool:
    """Whether it is an artifact of a plain step."""
    try:
        return manifest.is_plain(json.loads((path / manifest.FILE).read_text()))
    except (OSError, ValueError):
        return False


def refuse(options: Mapping[str, Any]) -> None:
    """Raises UsageError for an option, by name, that was given and that no plain step has."""
    if given := [name for name, value in options.items() if value]:
        raise UsageError(f"{given[0]} does not go with {LANE}; leave it out")


def build(
    model: str, target: str, out: Path | None, cpu: str | None, force: bool, as_json: bool
) -> None:
    """Compiles, compares with ONNX Runtime where it can run, tells the lane."""
    from delrec_compile.plain_onnx.build import build_plain
    from delrec_compile.plain_onnx.check import judge
    from delrec_compile.system import child

    with saying() as say:
        artifact = build_plain(model, target, out, cpu=cpu, force=force, progress=say)
        m, checked, timed = artifact.manifest, None, None
        if m.runs_here:
            say("comparing with ONNX Runtime")
            task = "delrec_compile.plain_onnx.check:"
            checked = child.call(f"{task}check_plain", path=str(artifact.path))
            timed = child.call(f"{task}bench_plain", path=str(artifact.path))
    told = {"path": str(artifact.path), "lane": "plain", "check": checked, "bench": timed}
    if as_json:
        print_json("build", **told, manifest=m.to_json())
    else:
        show(
            f"artifact {artifact.path}: {m.kernels} kernels, {m.library_bytes:,} bytes",
            SLOWER,
        )
        show(*(_parity(checked) if checked else [f"built for {m.machine}: not checked here"]))
        show(*(_speed(timed) if timed else []))
    if checked:
        judge(checked)
    if not as_json:
        show_next(f"delrec-compile check {artifact.path}")


def check(path: Path, as_json: bool) -> None:
    """Exit 6 when an output differs by more than float32 sums in another order do."""
    from delrec_compile.plain_onnx.check import judge
    from delrec_compile.system import child

    with saying() as say:
        say("comparing with ONNX Runtime")
        found = child.call("delrec_compile.plain_onnx.check:check_plain", path=str(path))
    if as_json:
        print_json("check", **found)
    else:
        show(*_parity(found))
    judge(found)


def bench(path: Path, rounds: int | None, as_json: bool) -> None:
    """Time per step beside ONNX Runtime."""
    from delrec_compile.system import child

    with saying() as say:
        say("timing beside ONNX Runtime")
        more: dict[str, Any] = {"rounds": rounds} if rounds else {}
        found = child.call("delrec_compile.plain_onnx.check:bench_plain", path=str(path), **more)
    if as_json:
        print_json("bench", **found)
    else:
        show(*_speed(found))


def _parity(found: Mapping[str, Any]) -> list[str]:
    return [
        f"{found['sequences']} streams of {found['steps']} steps against ONNX Runtime: "
        f"{found['differing']} of {found['values']:,} outputs differ by more than "
        f"{found['tolerance']:g}; largest difference {found['max_abs_error']:.2g}, "
        f"{found['same_bits'] / found['values']:.1%} equal bits"
    ]


def _speed(found: Mapping[str, Any]) -> list[str]:
    ours, theirs = (found["medians"][name] for name in ("plain", "onnxruntime"))
    return [
        f"{ours:.2f} us per step, ONNX Runtime {theirs:.2f}: {found['ratio']:.1f}x "
        f"(CPU time of one thread, median of {found['rounds']} interleaved rounds)"
    ]
