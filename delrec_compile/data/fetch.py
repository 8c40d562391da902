"""Download the Spiking Heidelberg Digits and Spiking Speech Commands, verified by pinned checksums.

Addresses, licence and citation as their authors state them at zenkelab.org; the checksums are those
that the loaders of tonic and SpikingJelly hold too.
"""

from __future__ import annotations

import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from delrec_compile.data.download import CHUNK, check_url, download, md5, require_disk
from delrec_compile.data.synth_folder import check_folder, folder_when_done
from delrec_compile.errors import DataError, UsageError, did_you_mean

Progress = Callable[[str, int, int], None]

BASES = ("https://zenkelab.org/datasets/", "https://compneuro.net/datasets/")
LICENCE = "Creative Commons Attribution 4.0 International (CC BY 4.0)"
CITATION = (
    "Cramer, B., Stradmann, Y., Schemmel, J., and Zenke, F. (2022). The Heidelberg Spiking Data Sets "
    "for the Systematic Evaluation of Spiking Neural Networks. IEEE Transactions on Neural Networks "
    "and Learning Systems 33, 2744-2757. https://doi.org/10.1109/TNNLS.2020.3044364"
)
NOTICE = "LICENCE.txt"
LARGEST = 32 << 30  # bytes of an unpacked file


@dataclass(frozen=True)
class Archive:
    """A .zip file that holds one .h5 file, by its name without the .zip."""

    name: str
    md5: str

    @property
    def file(self) -> str:
        return self.name.removesuffix(".zip")


SOURCES = {
    "shd": (
        Archive("shd_train.h5.zip", "f3252aeb598ac776c1b526422d90eecb"),
        Archive("shd_test.h5.zip", "1503a5064faa34311c398fb0a1ed0a6f"),
    ),
    "ssc": (
        Archive("ssc_train.h5.zip", "d102be95e7144fcc0553d1f45ba94170"),
        Archive("ssc_valid.h5.zip", "b4eee3516a4a90dd0c71a6ac23a8ae43"),
        Archive("ssc_test.h5.zip", "a35ff1e9cffdd02a20eb850c17c37748"),
    ),
}


@dataclass(frozen=True)
class FetchReport:
    """Summary of the files that `fetch` wrote. brought: bytes that this call downloaded."""

    folder: Path
    files: dict[str, Path]  # by archive
    brought: int
    licence: str
    citation: str
    seconds: float


def fetch(
    name: str,
    out_dir: str | Path,
    *,
    url: str | None = None,
    archives: Sequence[Archive] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> FetchReport:
    """Download a data set of SOURCES to `out_dir`, which appears complete or not at all.

    url: the folder of the archives, where it is none of BASES. archives: other files than those of the
    data set. progress(file, bytes, of how many). What was downloaded of a cut or killed call lies
    beside `out_dir` in `<name>.parts`, and the next call goes on there. Raises UsageError (name, url)
    and DataError (directory in use, network, checksum, disk).
    """
    started = time.monotonic()
    if name not in SOURCES:
        raise UsageError(
            f"the data set is '{name}'; allowed: {', '.join(SOURCES)}" + did_you_mean(name, SOURCES)
        )
    wanted = SOURCES[name] if archives is None else tuple(archives)
    bases = BASES if url is None else (url,)
    for base in bases:
        check_url(base)
    out = Path(out_dir).absolute()
    check_folder(out, force, {NOTICE, *(archive.file for archive in wanted)})
    parts = out.with_name(f"{out.name}.parts")
    brought = 0
    with folder_when_done(out) as folder:
        parts.mkdir(exist_ok=True)
        for archive in wanted:
            brought += _bring(archive, bases, parts, progress)
        for archive in wanted:
            _unpack(parts / archive.name, folder / archive.file)
        (folder / NOTICE).write_text(f"{name}: {LICENCE}\n\nPlease cite:\n{CITATION}\n")
    shutil.rmtree(parts, ignore_errors=True)
    files = {archive.name: out / archive.file for archive in wanted}
    return FetchReport(out, files, brought, LICENCE, CITATION, time.monotonic() - started)


def _bring(archive: Archive, bases: Sequence[str], parts: Path, progress: Progress | None) -> int:
    """The verified archive in `parts`; returns the bytes that were downloaded for it."""
    whole, part, brought = parts / archive.name, parts / f"{archive.name}.part", 0
    if whole.exists() and md5(whole) == archive.md5:
        return 0

    def told(done: int, total: int) -> None:
        if progress:
            progress(archive.name, done, total)

    for base in bases:
        try:
            brought += download(f"{base.rstrip('/')}/{archive.name}", part, told)
            break
        except DataError:
            if base == bases[-1]:
                raise
    if (found := md5(part)) != archive.md5:
        part.unlink()
        raise DataError(
            f"{archive.name} has the checksum {found}, and {archive.md5} is required; it is removed: "
            "try again, or name another place with url=..."
        )
    part.replace(whole)
    return brought


def _unpack(archive: Path, out: Path) -> None:
    """The one .h5 file of an archive. Raises DataError for another content."""
    try:
        with zipfile.ZipFile(archive) as packed:
            found = [i for i in packed.infolist() if Path(i.filename).name == out.name]
            if len(found) != 1:
                names = ", ".join(packed.namelist()[:8]) or "none"
                raise DataError(f"{archive} has no file {out.name}; present: {names}")
            if found[0].file_size > LARGEST:
                raise DataError(f"{archive} would unpack to {found[0].file_size:,} bytes")
            require_disk(out.parent, found[0].file_size)
            with packed.open(found[0]) as source, out.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise DataError(
            f"{archive} is no intact .zip file ({error}); remove it and try again"
        ) from error
