"""The command that makes spike data: data synth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.options import DEFAULT, Force, Json
from delrec_compile.cli.terminal import bar, plain, print_json, show, show_next, unused

if TYPE_CHECKING:
    from delrec_compile.data.utterances import SetReport

FLITE = "flite"
SYNTHESISERS = ("espeak-ng", FLITE)
Train = Annotated[int | None, typer.Option("--train", help="Samples per class (120).")]
Valid = Annotated[int | None, typer.Option("--valid", help="Samples per class (15).")]
Test = Annotated[int | None, typer.Option("--test", help="Samples per class (30).")]
Folds = Annotated[
    int | None,
    typer.Option(help="One pool in place of three sets: each voice is tested in one of the folds."),
]
Words = Annotated[
    int | None,
    typer.Option(
        "--words-per-voice-and-class", help="Of a pool (5), or of the other synthesiser (30)."
    ),
]
DrawnVoices = Annotated[
    int | None,
    typer.Option(help="Of a pool: voices drawn at random, in place of espeak-ng's 77."),
]
Synthesiser = Annotated[
    str,
    typer.Option(
        help="espeak-ng, or flite: a test set alone, of English digits.",
        autocompletion=completion.one_of(*SYNTHESISERS),
    ),
]
WithFrontend = Annotated[
    bool,
    typer.Option(
        "--with-frontend",
        help="Counts of the integer front end (.npz) in place of the cochlea's.",
    ),
]


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to create.")],
    train: Train = None,
    valid: Valid = None,
    test: Test = None,
    folds: Folds = None,
    words: Words = None,
    drawn_voices: DrawnVoices = None,
    synthesiser: Synthesiser = SYNTHESISERS[0],
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    with_frontend: WithFrontend = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make spoken digits (English and German) as cochlea spikes, in the layout of SHD."""
    chosen = {"train": train, "valid": valid, "test": test, "with_frontend": with_frontend or None}
    chosen |= {"folds": folds, "words_per_voice_and_class": words, "drawn_voices": drawn_voices}
    options = {name: value for name, value in chosen.items() if value is not None}
    make, what, allowed = _maker(synthesiser, folds)
    _check_options(options, what, allowed)
    with bar("synthesising") as step:
        made = make(out, step, {**options, "seed": seed, "force": force})
    if as_json:
        print_json("data-synth", **plain(asdict(made)))
        return
    for name, path in made.files.items():
        show(
            f"{path}: {made.utterances[name]:,} samples, {made.mean_spikes[name]:,.0f} spikes each"
        )
    show(*(part.line(number) for number, part in enumerate(getattr(made, "parts", ()))))
    if synthesiser == FLITE:
        show_next("run", DEFAULT, "--input", out)
    else:
        fold = () if folds is None else ("--fold", 0)
        show_next("train", out, *fold, "-o", unused("net.safetensors"))


Step = Callable[[int, int, str], None]
Maker = Callable[[Path, Step, dict[str, Any]], "SetReport"]
IN_SETS = ("train", "valid", "test", "with_frontend")
IN_POOL = ("folds", "words_per_voice_and_class", "drawn_voices")


def _maker(synthesiser: str, folds: int | None) -> tuple[Maker, str, tuple[str, ...]]:
    """What makes the data, what that is, and the options that it has. Raises UsageError."""
    from delrec_compile.errors import UsageError, did_you_mean

    if synthesiser not in SYNTHESISERS:
        raise UsageError(
            f"--synthesiser is '{synthesiser}'; allowed: {', '.join(SYNTHESISERS)}"
            + did_you_mean(synthesiser, SYNTHESISERS)
        )
    if synthesiser == FLITE:
        return _make_other, f"--synthesiser {FLITE}", ("words_per_voice_and_class",)
    if folds is not None:
        return _make_pool, "a pool (--folds)", IN_POOL
    return _make_sets, "three sets (--folds makes a pool)", IN_SETS


def _check_options(options: dict[str, Any], what: str, allowed: tuple[str, ...]) -> None:
    """Raises UsageError for an option that what is made does not have."""
    from delrec_compile.errors import UsageError

    for name in options:
        if name not in allowed:
            names = ", ".join(_flag(name) for name in allowed)
            raise UsageError(f"{_flag(name)} is no option of {what}; allowed: {names}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _make_sets(out: Path, step: Step, options: dict[str, Any]) -> SetReport:
    from delrec_compile.data.synth import PER_CLASS, synthesise

    counts = {name: options.get(name, default) for name, default in PER_CLASS.items()}
    return synthesise(out, **options, progress=_in_one(step, counts))


def _make_pool(out: Path, step: Step, options: dict[str, Any]) -> SetReport:
    from delrec_compile.data.synth_pool import synthesise_pool

    return synthesise_pool(
        out, **options, progress=lambda stage, done, total: step(done, total, stage)
    )


def _make_other(out: Path, step: Step, options: dict[str, Any]) -> SetReport:
    from delrec_compile.data.synth_other import synthesise_other

    return synthesise_other(
        out, **options, progress=lambda stage, done, total: step(done, total, stage)
    )


def _in_one(step: Step, per_class: dict[str, int]) -> Callable[[str, int, int], None]:
    """Progress (stage, done, total) of the sets as one count of samples; of other stages as it is."""
    whole = sum(per_class.values())

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in per_class:
            step(done, total, stage)
            return
        classes = total // per_class[stage]
        names = list(per_class)
        before = sum(per_class[name] for name in names[: names.index(stage)])
        step(before * classes + done, whole * classes, stage)

    return progress
