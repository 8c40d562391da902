"""`build`, `check` and `bench` of a plain ONNX step: the slower lane."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from delrec_compile.cli.terminal import judge_unproven, print_json, saying, show, show_next
from delrec_compile.errors import UsageError

if TYPE_CHECKING:
    from delrec_compile.artifact.plain import PlainArtifact

LANE = "a plain ONNX step"
BUILD_OPTIONS = (
    *(
        "model",
        "target",
        "out",
        "name",
        "state",
        "batch",
        "dry_run",
        "cpu",
        "force",
        "allow_unproven",
    ),
    "as_json",
)
CHECK_OPTIONS = ("path", "as_json")
BENCH_OPTIONS = ("path", "rounds", "as_json")
SLOWER = (
    "the slower lane: TVM's own kernels compute every value at every step. A network in a "
    ".safetensors file builds to event-driven code, with equal bits everywhere"
)


def is_graph(source: str) -> bool:
    """Whether the source is an ONNX graph, or is called one."""
    from delrec_compile.system.recognise import GRAPHS, recognise

    return source.endswith(".onnx") or recognise(source).kind in GRAPHS


def is_plain(path: Path) -> bool:
    """Whether the path is an artifact of a plain step."""
    from delrec_compile.artifact import manifest
    from delrec_compile.system.fields import parse_json

    try:
        return manifest.is_plain(parse_json((path / manifest.FILE).read_text()))
    except (OSError, ValueError):
        return False


def refuse_unsupported(context: typer.Context, supported: Collection[str]) -> None:
    """Raises UsageError for the first option that has not its default and is not supported.

    supported: names of the command's parameters that a plain step takes.
    """
    for parameter in context.command.params:
        name = str(parameter.name)
        value, default = context.params.get(name), parameter.default  # not that of a file
        if name in supported or value == default or (not value and not default):
            continue
        flags = parameter.secondary_opts if value is False else parameter.opts
        raise UsageError(f"{max(flags, key=len)} is not supported for {LANE}; omit it")


def build_or_plan(
    model: str,
    target: str,
    out: Path | None,
    state: list[str],
    batch: int | None,
    dry_run: bool,
    options: Mapping[str, Any],
) -> None:
    """Builds the step, or shows what would become of it. options: the others of `build`."""
    _refuse_damaged(model, state, batch)
    if dry_run:
        plan(model, target, state, batch, bool(options["as_json"]))
    else:
        build(model, target, out, state=state, batch=batch, **options)


def _refuse_damaged(model: str, state: list[str], batch: int | None) -> None:
    """Raises ModelError for a file that is no graph, before the compiler is loaded."""
    from delrec_compile.plain_onnx.state_names import pairs_of
    from delrec_compile.system.recognise import GRAPHS, recognise

    if recognise(model).kind not in GRAPHS:
        from delrec_compile.plain_onnx import step_graph

        step_graph.read(model, state=pairs_of(state), batch=batch)


def build(
    model: str,
    target: str,
    out: Path | None,
    *,
    name: str | None,
    state: list[str],
    batch: int | None,
    cpu: str | None,
    force: bool,
    allow_unproven: bool,
    as_json: bool,
) -> None:
    """Compiles the step and, where its code runs here, compares it with ONNX Runtime and times it."""
    from delrec_compile.plain_onnx.build import build_plain
    from delrec_compile.plain_onnx.check import judge
    from delrec_compile.plain_onnx.state_names import pairs_of
    from delrec_compile.system import child

    pairs = pairs_of(state)
    done: dict[str, Any] = {"check": None, "bench": None}
    with saying() as say:
        emulates = _emulates(target, allow_unproven)

        def prove(artifact: PlainArtifact) -> bool:
            m = artifact.manifest
            if not m.runs_here and not (m.core and emulates):
                return False
            say("comparing with ONNX Runtime")
            task, path = "delrec_compile.plain_onnx.check:", str(artifact.path)
            done["check"] = child.call(f"{task}check_plain", path=path)
            judge(done["check"])
            if m.runs_here:
                done["bench"] = child.call(f"{task}bench_plain", path=path)
            return True

        options: dict[str, Any] = {"name": name, "state": pairs, "batch": batch, "cpu": cpu}
        options |= {"force": force, "prove": prove, "progress": say}
        artifact = build_plain(model, target, out, **options)
    _print_build(artifact, done, as_json)
    judge_unproven(artifact.manifest.proven, artifact.path, allow_unproven)


def _emulates(target: str, allow_unproven: bool) -> bool:
    """Whether there is an emulator for a chip's code. Raises ToolchainError where it is missing."""
    from delrec_compile import targets
    from delrec_compile.evaluation.proven import check_provable
    from delrec_compile.system import doctor

    profile = targets.load(target)
    if profile.core and not allow_unproven:
        check_provable(profile)
    return not {*doctor.missing(profile)} & {*doctor.PROOF}


def plan(model: str, target: str, state: list[str], batch: int | None, as_json: bool) -> None:
    """Prints what each node becomes; exit 4 if one is refused."""
    from delrec_compile.cli.plan import show_plan
    from delrec_compile.plain_onnx.plan import plan_build
    from delrec_compile.plain_onnx.state_names import pairs_of

    with saying(brief=True) as say:
        say("reading the graph")
        made = plan_build(model, target, state=pairs_of(state), batch=batch)
    show_plan("build", made, as_json)


def refuse_for_networks(options: Mapping[str, bool]) -> None:
    """Raises UsageError for an option that a plain step alone takes. options: whether each is given."""
    for flag, given in options.items():
        if given:
            raise UsageError(f"{flag} is for {LANE}; a network has all of its own")


def _print_build(artifact: PlainArtifact, done: Mapping[str, Any], as_json: bool) -> None:
    m = artifact.manifest
    if as_json:
        result = {"path": str(artifact.path), "lane": "plain", **done}
        print_json("build", **result, manifest=m.to_json())
        return
    from delrec_compile.evaluation.report import size_line

    size = f"{m.library_bytes:,} bytes" if m.library_bytes else f"{m.calls} calls per step in C99"
    show(f"artifact {artifact.path}: {m.kernels} kernels, {size}", SLOWER)
    if line := size_line(m):
        show(line)
    if not m.proven:
        show(f"built for {m.machine}: not proven here")
        return
    show(*_parity(done["check"]), *(_speed(done["bench"]) if done["bench"] else ()))
    show_next("check", artifact.path)


def check(path: Path, as_json: bool) -> None:
    """Compares with ONNX Runtime; exit 6 where more than the order of float32 sums differs."""
    from delrec_compile.plain_onnx.check import judge
    from delrec_compile.system import child

    with saying() as say:
        say("comparing with ONNX Runtime")
        result = child.call("delrec_compile.plain_onnx.check:check_plain", path=str(path))
    if as_json:
        print_json("check", **result)
    else:
        show(*_parity(result))
    judge(result)


def bench(path: Path, rounds: int | None, as_json: bool) -> None:
    """Times a step beside ONNX Runtime."""
    from delrec_compile.system import child

    with saying() as say:
        say("timing beside ONNX Runtime")
        more: dict[str, Any] = {"rounds": rounds} if rounds else {}
        result = child.call("delrec_compile.plain_onnx.check:bench_plain", path=str(path), **more)
    if as_json:
        print_json("bench", **result)
    else:
        show(*_speed(result))


def _parity(result: Mapping[str, Any]) -> list[str]:
    return [
        f"{result['sequences']} streams of {result['steps']} steps against ONNX Runtime: "
        f"{result['differing']} of {result['values']:,} outputs differ by more than "
        f"{result['tolerance']:g}; largest difference {result['max_abs_error']:.2g}, "
        f"{result['same_bits'] / result['values']:.1%} equal bits",
        *(_cost(result["emulated"]) if result["emulated"] else ()),
    ]


def _cost(cost: Mapping[str, Any]) -> list[str]:
    """What a step takes in an emulator."""
    text = (
        f"{cost['how']}: {cost['instructions_per_step']:,.0f} instructions per step, "
        f"{cost['worst_instructions']:,} at most, {cost['stack_bytes']:,} bytes of stack"
    )
    if cost["estimated_us"] is None:
        return [text]
    estimate = f"~{cost['estimated_us']:,.0f} us"
    return [f"{text}; estimate at {cost['clock_mhz']:g} MHz and one cycle each: {estimate}"]


def _speed(result: Mapping[str, Any]) -> list[str]:
    if "medians" not in result:
        return _cost(result)
    ours, theirs = (result["medians"][name] for name in ("plain", "onnxruntime"))
    return [
        f"{ours:.2f} us per step, ONNX Runtime {theirs:.2f}: {result['ratio']:.1f}x "
        f"(CPU time of one thread, median of {result['rounds']} interleaved rounds)"
    ]
