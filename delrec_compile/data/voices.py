"""Spoken digits from espeak-ng: words, voices, and a check that the voices differ.

espeak-ng exits with status 0 when it ignores a voice variant (every variant of `en-gb`, any
unknown name). Two "speakers" would then be one, and a test set would hold voices that the
network has trained on. `check_distinct` compares checksums of the audio and refuses that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType

from delrec_compile.data.speech import Audio, Tool, Voice, require_distinct
from delrec_compile.errors import ToolchainError
from delrec_compile.system.folders import work_folder

ESPEAK = Tool("espeak-ng")

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

DATA_FOLDER, VARIANT_FOLDER = "espeak-ng-data", "!v"  # the second in the folder of voices
LONGEST = 140  # characters of the path of a data folder; espeak-ng has room for 160 in all
PER_FOLDER = 100  # espeak-ng takes 349 voices in all
Folders = Mapping[str, Path]  # by variant: where a data folder lies that has it
NO_FOLDERS: Folders = MappingProxyType({})
PHRASE = "two nine"  # spoken by every voice for the comparison


def find_espeak() -> str:
    """Path of espeak-ng. Raises ToolchainError when it is not on PATH."""
    return ESPEAK.find()


def espeak_version(espeak: str) -> str:
    """The first line of `espeak-ng --version` up to the data path, or "unknown"."""
    done = ESPEAK.run([espeak, "--version"])
    line = done.stdout.decode(errors="replace").split("\n")[0]
    return line.split("  ")[0].strip() or "unknown"


def wav_bytes(espeak: str, text: str, voice: Voice, folders: Folders = NO_FOLDERS) -> bytes:
    """WAV stream of `text`. folders: of `with_variants`. Raises ToolchainError when espeak-ng fails."""
    command = [espeak, "-v", voice.name, "-p", str(voice.pitch), "-s", str(voice.speed)]
    command += [f"--path={folders[voice.variant]}"] if voice.variant in folders else []
    return ESPEAK.stream([*command, "--stdout", text], voice)


def say(espeak: str, text: str, voice: Voice, folders: Folders = NO_FOLDERS) -> tuple[Audio, int]:
    """Audio in -1..1 without leading and trailing silence, and its rate in Hz. folders: of
    `with_variants`. Raises ToolchainError.
    """
    return ESPEAK.sound(wav_bytes(espeak, text, voice, folders), text, voice)


@contextmanager
def with_variants(espeak: str, files: Mapping[str, str]) -> Iterator[Folders]:
    """Folders in which espeak-ng finds variants that are not its own, for as long as the context lasts.

    files: text of the variant files, by name. Raises ToolchainError.
    """
    if not files:
        yield {}
        return
    own, names = _data_folder(espeak), list(files)
    with work_folder() as folder:
        folders: dict[str, Path] = {}
        for first in range(0, len(names), PER_FOLDER):
            group = names[first : first + PER_FOLDER]
            parent = folder / str(first)
            _require_short(parent / DATA_FOLDER)
            _lay_out(own, parent / DATA_FOLDER, {name: files[name] for name in group})
            folders |= dict.fromkeys(group, parent)
        yield folders


def _require_short(folder: Path) -> None:
    """Raises ToolchainError for a path that espeak-ng would cut."""
    if len(str(folder)) > LONGEST:
        raise ToolchainError(
            f"espeak-ng takes no data folder with a path of {len(str(folder))} characters, {folder}; "
            f"{LONGEST} are allowed: set TMPDIR to a folder with a shorter one"
        )


def _lay_out(own: Path, folder: Path, files: Mapping[str, str]) -> None:
    """Makes a data folder with what is in espeak-ng's own, but with these variants."""
    variants = folder / "voices" / VARIANT_FOLDER
    variants.mkdir(parents=True)
    for entry in own.iterdir():
        if entry.name != "voices":
            (folder / entry.name).symlink_to(entry)
    for name, text in files.items():
        (variants / name).write_text(text)


def _data_folder(espeak: str) -> Path:
    """The data folder of espeak-ng. Raises ToolchainError where it names none."""
    said = ESPEAK.run([espeak, "--version"]).stdout.decode(errors="replace")
    line, mark, place = said.partition("\n")[0].partition("Data at:")
    folder = Path(place.strip()).resolve()
    if not mark or not (folder / "voices").is_dir():
        raise ToolchainError(
            f"espeak-ng names no folder of voices: '{(line + mark + place).strip()}'; re-{ESPEAK.hint}"
        )
    return folder


def check_distinct(
    espeak: str,
    pairs: Iterable[tuple[str, str]],
    workers: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
    folders: Folders = NO_FOLDERS,
) -> int:
    """Check that all (base, variant) pairs, and their bases alone, give different audio.

    folders: of `with_variants`. Returns the number of voices compared. Raises DataError, which names
    the first equal pair.
    """
    wanted = set(pairs)
    voices = [Voice(base, "") for base in sorted({base for base, _ in wanted})]
    voices += [Voice(base, variant) for base, variant in sorted(wanted)]
    stream = partial(wav_bytes, espeak, PHRASE, folders=folders)
    return require_distinct(voices, stream, _alike, workers, progress)


def _alike(one: Voice, other: Voice) -> str:
    return (
        f"espeak-ng voices '{one.name}' and '{other.name}' give the same audio: the variant is "
        "ignored, and speakers would leak between the sets; use espeak-ng 1.51 or newer with all "
        f"its voices: {ESPEAK.hint}"
    )
