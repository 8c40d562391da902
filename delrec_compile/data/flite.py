"""Spoken English digits from flite, the other synthesiser: no recipe is made or chosen with them.

flite exits with status 0 where it does not know a voice, and speaks with another; `rms` ignores the
pitch. `check_distinct` compares checksums of the audio and refuses speakers that are one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from delrec_compile.data.speech import OWN_PITCH, OWN_SPEED, Audio, Tool, Voice, require_distinct
from delrec_compile.errors import ToolchainError

FLITE = Tool("flite")

# index = speaker number; kal is the speaker of kal16 at half its rate, and awb_time tells the time only
VOICES = ("awb", "kal16", "rms", "slt")
PITCH_HZ = {
    "awb": 130.0,
    "kal16": 95.0,
    "slt": 170.0,
}  # their own; rms has one that nothing changes
OCTAVE = 100  # steps of `Voice.pitch`
PHRASE = "two nine"  # spoken by every voice for the comparison
CHANGED_PITCH, CHANGED_SPEED = 80, 120  # heard in the comparison


def find_flite() -> str:
    """Path of flite. Raises ToolchainError when it is not on PATH, or lacks a voice."""
    flite = FLITE.find()
    listed = FLITE.run([flite, "-lv"]).stdout.decode(errors="replace").split()
    for name in VOICES:
        if name not in listed:
            raise ToolchainError(
                f"flite has no voice '{name}' (flite -lv: {' '.join(listed) or 'nothing'}); re-"
                f"{FLITE.hint}"
            )
    return flite


def flite_version(flite: str) -> str:
    """The version that `flite --version` states, or "unknown"."""
    lines = FLITE.run([flite, "--version"]).stdout.decode(errors="replace").splitlines()
    stated = [line.split("version:")[1] for line in lines if "version:" in line]
    return stated[0].split("(")[0].strip() if stated else "unknown"


def wav_bytes(flite: str, text: str, voice: Voice) -> bytes:
    """WAV stream of `text`. Raises ToolchainError when flite fails."""
    settings = [f"duration_stretch={OWN_SPEED / voice.speed:.4f}"]
    if voice.base in PITCH_HZ and voice.pitch != OWN_PITCH:
        pitch_hz = PITCH_HZ[voice.base] * 2 ** ((voice.pitch - OWN_PITCH) / OCTAVE)
        settings.append(f"int_f0_target_mean={pitch_hz:.2f}")
    options = [word for setting in settings for word in ("--setf", setting)]
    command = [flite, "-voice", voice.base, *options, "-t", text, "-o", "/dev/stdout"]
    return FLITE.stream(command, voice)


def say(flite: str, text: str, voice: Voice) -> tuple[Audio, int]:
    """Audio in -1..1 without leading and trailing silence, and its rate in Hz. Raises ToolchainError."""
    return FLITE.sound(wav_bytes(flite, text, voice), text, voice)


def check_distinct(
    flite: str, workers: int = 2, progress: Callable[[str, int, int], None] | None = None
) -> int:
    """Check that all voices, at another speed and another pitch too, give different audio.

    Returns the number of ways of speaking that were compared. Raises DataError, which names the
    first equal pair.
    """
    ways = [Voice(name, "") for name in VOICES]
    ways += [Voice(name, "", speed=CHANGED_SPEED) for name in VOICES]
    ways += [Voice(name, "", pitch=CHANGED_PITCH) for name in PITCH_HZ]
    return require_distinct(ways, partial(wav_bytes, flite, PHRASE), _alike, workers, progress)


def _alike(one: Voice, other: Voice) -> str:
    first, second = (f"'{v.name}' (pitch {v.pitch}, speed {v.speed})" for v in (one, other))
    return (
        f"flite's voices {first} and {second} give the same audio: an option is ignored, or one voice "
        f"speaks for the other; use flite 2.2 with all its voices: {FLITE.hint}"
    )
