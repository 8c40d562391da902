"""Where samples come from: a file, a stream of PCM, a microphone."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from delrec_compile.data.audio import Wav, from_pcm
from delrec_compile.data.cochlea import RATE_HZ, Float
from delrec_compile.errors import DataError, DeviceError, ToolchainError
from delrec_compile.system.extras import install

BLOCK = 160  # samples at once: 10 ms
GONE_S = 5.0  # without a block after which a microphone is taken to be gone
WAITING = 100  # blocks of a microphone that may wait; what comes then is dropped
INSTEAD = "or pass a WAV file with --input"


def _nothing() -> None:
    """Closes what is not open."""


@dataclass
class Source:
    """Blocks of samples, each with the moment when its last sample was there (time.perf_counter).

    live: whether it may go on until it is interrupted. dropped: blocks that were lost. device_ms: from
    the sound to this program, as the driver states it.
    """

    blocks: Iterator[tuple[Float, float]]
    live: bool = False
    dropped: int = 0
    device_ms: float = 0.0
    close: Callable[[], None] = _nothing


def of_file(path: str | Path) -> Source:
    """The samples of a WAV file, as fast as they are taken. Raises DataError."""
    return Source(_blocks(Wav.open(path)))


def _blocks(wav: Wav) -> Iterator[tuple[Float, float]]:
    for piece in wav.pieces():
        for at in range(0, len(piece), BLOCK):
            yield piece[at : at + BLOCK], time.perf_counter()


def of_stream(stream: BinaryIO, name: str = "the standard input") -> Source:
    """16-bit little-endian PCM, one channel at 16 kHz, as it arrives.

    Half a sample at its end is left out. The blocks raise DataError for a stream without a sample, and
    for a WAV file.
    """
    return Source(_pcm(stream, name), live=True)


def _pcm(stream: BinaryIO, name: str) -> Iterator[tuple[Float, float]]:
    held, empty = b"", True
    read = getattr(stream, "read1", stream.read)  # what is there, without waiting for more
    while raw := read(2 * BLOCK):
        if empty and raw.startswith(b"RIFF"):
            raise DataError(
                f"{name} is a WAV file; raw PCM of 16 bits, 16 kHz, mono is taken there: pass the file "
                "with --input"
            )
        raw = held + raw
        whole = len(raw) // 2 * 2
        held, empty = raw[whole:], empty and not whole
        yield from_pcm(raw[:whole]), time.perf_counter()
    if empty:
        raise DataError(f"{name} is empty; PCM of 16 bits, 16 kHz, mono is required")


def of_microphone(device: str | None = None) -> Source:
    """The microphone, or the input device of that name or number, until it is closed.

    Raises ToolchainError without sounddevice or PortAudio, DeviceError without a microphone; the blocks
    raise DeviceError where it ends, as one that is unplugged.
    """
    sound = _sounddevice()
    waiting: queue.Queue[tuple[Float, float] | None] = queue.Queue(WAITING)
    source = Source(_arriving(waiting), live=True)

    def heard(data: Any, _frames: int, _time: Any, status: Any) -> None:
        source.dropped += int(bool(status.input_overflow))
        try:
            waiting.put_nowait((from_pcm(bytes(data)), time.perf_counter()))
        except queue.Full:
            source.dropped += 1

    def ended() -> None:
        with contextlib.suppress(queue.Full):  # then GONE_S ends it
            waiting.put_nowait(None)

    chosen = int(device) if device is not None and device.isdigit() else device
    options = {"samplerate": RATE_HZ, "blocksize": BLOCK, "channels": 1, "dtype": "int16"}
    try:
        stream = sound.RawInputStream(
            device=chosen, callback=heard, finished_callback=ended, **options
        )
        stream.start()
    except (sound.PortAudioError, ValueError) as error:
        why = " ".join(str(error).split())
        raise DeviceError(
            f"no microphone that gives 16 kHz mono ({why}); connect one, {INSTEAD}"
        ) from error
    source.device_ms, source.close = 1e3 * float(np.max(stream.latency)), stream.close
    return source


def _arriving(
    waiting: queue.Queue[tuple[Float, float] | None],
) -> Iterator[tuple[Float, float]]:
    """The blocks of a microphone, until it gives no more."""
    while True:
        with contextlib.suppress(queue.Empty):
            if (block := waiting.get(timeout=GONE_S)) is not None:
                yield block
                continue
        raise DeviceError(f"the microphone gives no more samples; connect it again, {INSTEAD}")


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise ToolchainError(
            f"a microphone needs sounddevice: {install('audio')}, {INSTEAD}"
        ) from error
    except OSError as error:  # it loads PortAudio at once
        raise ToolchainError(
            f"sounddevice finds no PortAudio: apt-get install libportaudio2, {INSTEAD}"
        ) from error
    return sounddevice
