"""The command listen: live audio through a compiled network."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.options import DEFAULT
from delrec_compile.cli.terminal import MANNERS, note, saying, show_line
from delrec_compile.errors import printable

if TYPE_CHECKING:
    from delrec_compile.evaluation.listening.listener import Listener, Timing, Word
    from delrec_compile.evaluation.listening.sources import Source

# small products of matrices are slower on several threads; numpy reads it when it is imported
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SCHEMA = "delrec.listen/1"
STDIN = "-"


def listen(
    model: Annotated[
        str,
        typer.Argument(
            help="An artifact folder, a .safetensors network, or a bundled one.",
            autocompletion=completion.listeners,
        ),
    ] = DEFAULT,
    audio: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            help="A WAV file, or - for PCM (16 bits, 16 kHz, mono); default: the microphone.",
            autocompletion=completion.audio,
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--microphone", help="Name or number of an input device.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each word, and for the end.")
    ] = False,
) -> None:
    """Classify spoken words live: cochlea and compiled step each 10 ms, from microphone or file."""
    from delrec_compile.errors import UsageError

    if audio is not None and device is not None:
        raise UsageError("--microphone and --input are both given; choose one")
    for variable in ONE_THREAD:
        os.environ.setdefault(variable, "1")
    listener = _listener(model)
    with _source(audio, device) as source:
        try:
            ended = _listen(listener, source, as_json)
        finally:
            timing = listener.timing(source)
            if timing.audio_s:
                _print_end(timing, as_json)
    if not timing.words:
        _tell_silence(audio, timing, ended)


def _listener(model: str) -> Listener:
    """Of the artifact, or of the one that is built now and kept."""
    from delrec_compile.evaluation.listening.engine import artifact_of, open_listener
    from delrec_compile.system import child

    artifact = artifact_of(model)
    if artifact is None:
        with saying(brief=True) as say:
            say(f"building {model}, unless it was built before")
            build = "delrec_compile.evaluation.listening.engine:build_kept"
            artifact = Path(child.call(build, model=model))
    return open_listener(artifact)


@contextmanager
def _source(audio: str | None, device: str | None) -> Iterator[Source]:
    from delrec_compile.errors import DataError
    from delrec_compile.evaluation.listening import sources

    if audio == STDIN:
        if sys.stdin is None:  # the shell closed it
            raise DataError("the standard input is closed; pipe PCM of 16 bits, 16 kHz, mono to it")
        source = sources.of_stream(sys.stdin.buffer)
    elif audio is not None:
        source = sources.of_file(audio)
    else:
        source = sources.of_microphone(device)
    try:
        yield source
    finally:
        source.close()


def _listen(listener: Listener, source: Source, as_json: bool) -> bool:
    """Prints each word; on a terminal, a line tells the word so far.

    Returns whether the audio ended, as Ctrl-C ends what else would go on.
    """
    with _live_line() as say:
        say("listening; Ctrl-C ends")
        try:
            for word in listener.listen(source, lambda so_far: say(_line(so_far))):
                _print_word(word, as_json)
        except KeyboardInterrupt as end:
            if not source.live or type(end) is not KeyboardInterrupt:  # a signal keeps its code
                raise
            return False
    return True


@contextmanager
def _live_line() -> Iterator[Callable[[str], None]]:
    """A line on stderr that is written over, where that is a terminal; nothing elsewhere."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal or MANNERS["silent"]:
        yield lambda _: None
        return
    from rich.live import Live
    from rich.text import Text

    def say(text: str) -> None:
        live.update(Text(printable(text), no_wrap=True, overflow="ellipsis"))

    # on a terminal, words go above the line; else they belong to their file or pipe
    above = sys.stdout.isatty()
    with Live(
        console=console, transient=True, redirect_stdout=above, refresh_per_second=10
    ) as live:
        yield say


def _line(word: Word) -> str:
    return f"{word.start_s:8.2f} s  {word.name:<12} {word.confidence:4.0%}"


def _print_word(word: Word, as_json: bool) -> None:
    _print(as_json, "word", asdict(word), f"{_line(word)}  decided at {word.end_s:.2f} s")


def _print_end(timing: Timing, as_json: bool) -> None:
    t = timing
    _print(
        as_json,
        "end",
        asdict(t),
        f"{t.words} words in {t.audio_s:.1f} s; real-time factor {t.real_time_factor:.3f}, "
        f"{t.dropped} blocks dropped, from the end of a step to its class "
        f"{t.latency_ms_median:.2f} ms (95 %: {t.latency_ms_95:.2f}, most: {t.latency_ms_most:.2f})"
        + (f", before it {t.device_ms:.0f} ms in the driver" if t.device_ms else ""),
    )


def _print(as_json: bool, event: str, result: dict[str, Any], text: str) -> None:
    import json

    show_line(json.dumps({"schema": SCHEMA, "event": event, **result}) if as_json else text)


def _tell_silence(audio: str | None, timing: Timing, ended: bool) -> None:
    """Says why no word was heard. Raises DataError where the audio ended without one."""
    from delrec_compile.errors import DataError
    from delrec_compile.evaluation.listening.gate import OPEN_DB

    name = {None: "the microphone", STDIN: "the standard input"}.get(audio, audio)
    text = (
        f"{name}: no word was heard in {timing.audio_s:.2f} s; the loudest step has "
        f"{timing.loudest_db:.0f} dB of full scale, the background {timing.background_db:.0f} dB, and a "
        f"word must rise {OPEN_DB:g} dB above that: raise the level"
    )
    if ended:
        raise DataError(text)
    note(text)
