"""Command-line synthesisers of speech: a run of one, the sound of its WAV stream, voices that differ."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from delrec_compile.errors import DataError, ToolchainError
from delrec_compile.system.process import limit_s, timeout_message

Audio = npt.NDArray[np.float32]

TIMEOUT_S = 60.0  # of a word, where $DELREC_TIMEOUT sets no other
PEAK_SHARE = 0.01  # quieter than this share of the peak is silence at the ends
OWN_PITCH, OWN_SPEED = 50, 175  # of a voice that nothing changes


@dataclass(frozen=True)
class Voice:
    """One way of speaking: a base voice, its variant ("" = none), pitch and speed."""

    base: str
    variant: str
    pitch: int = OWN_PITCH  # 0..99
    speed: int = OWN_SPEED  # words per minute

    @property
    def name(self) -> str:
        return f"{self.base}+{self.variant}" if self.variant else self.base


Speak = Callable[[str, Voice], tuple[Audio, int]]  # text, voice -> samples, rate in Hz


@dataclass(frozen=True)
class Tool:
    """A synthesiser by the name of its command, which is that of its Debian package too."""

    name: str

    @property
    def hint(self) -> str:
        return f"install it with: apt-get install {self.name}"

    def find(self) -> str:
        """Its path. Raises ToolchainError when it is not on PATH."""
        path = shutil.which(self.name)
        if path is None:
            raise ToolchainError(f"{self.name} is not on PATH; {self.hint}")
        return path

    def run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        """Not by `run_bytes`, which takes longer than a word. Raises ToolchainError when it hangs."""
        limit = limit_s(TIMEOUT_S)
        try:
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=limit
            )
        except subprocess.TimeoutExpired as error:
            raise ToolchainError(timeout_message(self.name, limit, "")) from error

    def stream(self, command: list[str], voice: Voice) -> bytes:
        """What it writes for a voice. Raises ToolchainError when it fails."""
        done = self.run(command)
        if done.returncode != 0:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            raise ToolchainError(
                f"{self.name} failed on voice '{voice.name}' with status {done.returncode}: "
                f"{lines[-1]}; re-{self.hint}"
            )
        return done.stdout

    def sound(self, raw: bytes, text: str, voice: Voice) -> tuple[Audio, int]:
        """Audio of a WAV stream in -1..1 without leading and trailing silence, and its rate in Hz.

        Raises ToolchainError for another stream, or one of silence.
        """
        start = raw.find(b"data")  # the length fields of a streamed WAV are dummies
        if raw[:4] != b"RIFF" or start < 28:
            raise ToolchainError(
                f"{self.name} wrote no WAV stream for voice '{voice.name}' ({len(raw)} bytes); "
                f"re-{self.hint}"
            )
        rate = int.from_bytes(raw[24:28], "little")
        body = raw[start + 8 :]
        samples = np.frombuffer(body[: len(body) // 2 * 2], "<i2").astype(np.float32) / np.float32(
            32768
        )
        loud = np.flatnonzero(np.abs(samples) > PEAK_SHARE * np.abs(samples).max(initial=0.0))
        if not len(loud):
            raise ToolchainError(f"{self.name} wrote silence for '{text}' in voice '{voice.name}'")
        return samples[loud[0] : loud[-1] + 1], rate


def require_distinct(
    voices: Sequence[Voice],
    stream: Callable[[Voice], bytes],
    refusal: Callable[[Voice, Voice], str],
    workers: int,
    progress: Callable[[str, int, int], None] | None,
) -> int:
    """Check that all voices give different audio; returns their number.

    stream: the audio of a voice. refusal: the message for two that sound alike. progress(stage, done,
    total): called after each voice. Raises DataError for the first equal pair.
    """
    seen: dict[str, Voice] = {}
    with ThreadPoolExecutor(workers) as pool:
        for done, (voice, raw) in enumerate(zip(voices, pool.map(stream, voices), strict=True), 1):
            twin = seen.setdefault(hashlib.sha256(raw).hexdigest(), voice)
            if twin is not voice:
                pool.shutdown(wait=False, cancel_futures=True)
                raise DataError(refusal(twin, voice))
            if progress:
                progress("voices", done, len(voices))
    return len(voices)
