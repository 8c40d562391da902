"""Spoken digits from espeak-ng: words, voices, and a check that the voices differ.

espeak-ng exits with status 0 when it ignores a voice variant (every variant of `en-gb`, any
unknown name). Two "speakers" would then be one, and a test set would hold voices that the
network has trained on. `check_distinct` compares checksums of the audio and refuses that.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from delrec_compile.errors import DataError, ToolchainError
from delrec_compile.system.process import limit_s, timeout_message

Audio = npt.NDArray[np.float32]

ENGLISH_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GERMAN_WORDS = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
WORDS = ENGLISH_WORDS + GERMAN_WORDS  # index = label, the order of the Heidelberg digits

ENGLISH_BASES = (
    "en",
    "en-us",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
    "en-us-nyc",
)
GERMAN_BASES = ("de",)

# index = speaker number; robots and sound effects are left out, and so are klatt6 and caleb,
# which sound exactly like klatt
# fmt: off
VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "klatt",
    "klatt2", "klatt3", "klatt4", "klatt5", "croak", "whisper", "whisperf", "grandma",
    "grandpa", "adam", "Alex", "Alicia", "Andrea", "Andy", "Annie", "antonio", "aunty",
    "belinda", "benjamin", "boris", "david", "Denis", "Diogo", "ed", "edward", "Gene", "Gene2",
    "gustave", "Henrique", "Hugo", "iven", "iven2", "iven3", "Jacky", "john", "kaukovalta",
    "Lee", "linda", "marcelo", "Marco", "Mario", "max", "Michael", "michel", "miguel", "Mike",
    "Nguyen", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph",
    "steph2", "steph3", "travis", "victor", "zac", "anika", "norbert",
)
# fmt: on

INSTALL_HINT = "install it with: apt-get install espeak-ng"
PHRASE = "two nine"  # spoken by every voice for the comparison
TIMEOUT_S = 60.0  # of a word, where $DELREC_TIMEOUT sets no other
PEAK_SHARE = 0.01  # quieter than this share of the peak is silence at the ends


@dataclass(frozen=True)
class Voice:
    """One way of speaking: an espeak-ng base voice, its variant ("" = none), pitch and speed."""

    base: str
    variant: str
    pitch: int = 50  # 0..99
    speed: int = 175  # words per minute

    @property
    def name(self) -> str:
        return f"{self.base}+{self.variant}" if self.variant else self.base


def find_espeak() -> str:
    """Path of espeak-ng. Raises ToolchainError when it is not on PATH."""
    path = shutil.which("espeak-ng")
    if path is None:
        raise ToolchainError(f"espeak-ng is not on PATH; {INSTALL_HINT}")
    return path


def espeak_version(espeak: str) -> str:
    """The first line of `espeak-ng --version` up to the data path, or "unknown"."""
    done = _run([espeak, "--version"])
    line = done.stdout.decode(errors="replace").split("\n")[0]
    return line.split("  ")[0].strip() or "unknown"


def wav_bytes(espeak: str, text: str, voice: Voice) -> bytes:
    """WAV stream of `text`. Raises ToolchainError when espeak-ng fails."""
    command = [espeak, "-v", voice.name, "-p", str(voice.pitch), "-s", str(voice.speed)]
    done = _run([*command, "--stdout", text])
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise ToolchainError(
            f"espeak-ng failed on voice '{voice.name}' with status {done.returncode}: {lines[-1]}; "
            f"re-{INSTALL_HINT}"
        )
    return done.stdout


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Not by `run_bytes`, which takes longer than a word does. Raises ToolchainError when it hangs."""
    limit = limit_s(TIMEOUT_S)
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(timeout_message("espeak-ng", limit, "")) from error


def say(espeak: str, text: str, voice: Voice) -> tuple[Audio, int]:
    """Audio in -1..1 without leading and trailing silence, and its rate in Hz. Raises ToolchainError."""
    raw = wav_bytes(espeak, text, voice)
    start = raw.find(b"data")  # the length fields of a streamed WAV are dummies
    if raw[:4] != b"RIFF" or start < 28:
        raise ToolchainError(
            f"espeak-ng wrote no WAV stream for voice '{voice.name}' ({len(raw)} bytes); "
            f"re-{INSTALL_HINT}"
        )
    rate = int.from_bytes(raw[24:28], "little")
    body = raw[start + 8 :]
    samples = np.frombuffer(body[: len(body) // 2 * 2], "<i2").astype(np.float32) / np.float32(
        32768
    )
    loud = np.flatnonzero(np.abs(samples) > PEAK_SHARE * np.abs(samples).max(initial=0.0))
    if not len(loud):
        raise ToolchainError(f"espeak-ng wrote silence for '{text}' in voice '{voice.name}'")
    return samples[loud[0] : loud[-1] + 1], rate


def check_distinct(
    espeak: str,
    pairs: Iterable[tuple[str, str]],
    workers: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> int:
    """Check that all (base, variant) pairs, and their bases alone, give different audio.

    Returns the number of voices compared. Raises DataError, which names the first equal pair.
    """
    wanted = set(pairs)
    voices = [Voice(base, "") for base in sorted({base for base, _ in wanted})]
    voices += [Voice(base, variant) for base, variant in sorted(wanted)]
    seen: dict[str, Voice] = {}
    with ThreadPoolExecutor(workers) as pool:
        streams = pool.map(lambda voice: wav_bytes(espeak, PHRASE, voice), voices)
        for done, (voice, stream) in enumerate(zip(voices, streams, strict=True), start=1):
            twin = seen.setdefault(hashlib.sha256(stream).hexdigest(), voice)
            if twin is not voice:
                raise DataError(
                    f"espeak-ng voices '{twin.name}' and '{voice.name}' give the same audio: the "
                    "variant is ignored, and speakers would leak between the sets; use "
                    f"espeak-ng 1.51 or newer with all its voices: {INSTALL_HINT}"
                )
            if progress:
                progress("voices", done, len(voices))
    return len(voices)
