"""Coverage-guided fuzzing of a reader of files, by atheris.

    python -m benchmarks.trust.fuzz "ONNX step" --minutes 10
    python -m benchmarks.trust.fuzz --all --minutes 1

Starts from a good file and from the corpus; inputs that reach new code of this package are added to it
(`benchmarks.trust.minimise` chooses those that are kept in the repository).
Where a format has checksums, each input is read a second time with its checksums made right. A failure
stops the run: the input is written, and named. Readers that use a library in a child process see no
coverage there; their files are changed at random, and each read in a fork with limits.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.trust.readers import Reader

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path(__file__).parent / "found"  # inputs that once broke a reader
SECONDS, MEGABYTES = 20, 4096  # of one input
BROKEN = 1  # exit code where an input breaks the promise


def main(argv: list[str] | None = None) -> int:
    """Exit code 1 where an input breaks the promise."""
    options = _parsed(argv)
    try:
        import atheris
    except ImportError:
        print("error: atheris is not installed; run: pip install atheris", file=sys.stderr)
        return 5
    with atheris.instrument_imports(include=["delrec_compile"]):
        from benchmarks.trust.readers import READERS

    if options.all:
        return _all(options, list(READERS))
    if options.reader not in READERS:
        print(
            f"error: unknown reader '{options.reader}'; allowed: {', '.join(READERS)}",
            file=sys.stderr,
        )
        return 2
    reader = READERS[options.reader]
    options.found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="delrec-fuzz-") as folder:
        path = reader.make(Path(folder))
        if reader.in_child:
            return _changed(reader, path, options)
        child = os.fork()  # atheris ends its process
        if child == 0:
            _guided(reader, path, options)
        _, status = os.waitpid(child, 0)
    return BROKEN if status else 0


def _guided(reader: Reader, path: Path, options: argparse.Namespace) -> None:
    import atheris

    corpus: Path = options.corpus / file_name(options.reader)
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "good").write_bytes(path.read_bytes())
    words: list[Any] = [sys.argv[0], str(corpus), f"-artifact_prefix={options.found}/"]
    words += [f"-max_total_time={round(options.minutes * 60)}", f"-timeout={SECONDS}"]
    words += [f"-rss_limit_mb={MEGABYTES}", "-print_final_stats=1"]
    one = attempt(reader, path)

    def kept(data: bytes) -> None:
        try:
            one(data)
        except BaseException:
            name = f"crash-{hashlib.sha256(data).hexdigest()[:12]}"
            (options.found / name).write_bytes(data)
            raise

    atheris.Setup(words, kept)
    atheris.Fuzz()


def file_name(reader: str) -> str:
    """The folder of a reader's corpus."""
    return reader.replace(" ", "_")


def attempt(reader: Reader, path: Path) -> Callable[[bytes], None]:
    """Reads an input, written to `path`: raises where it is neither read nor refused in one line."""
    from delrec_compile.errors import DelrecError
    from delrec_compile.system.recognise import recognise

    def one(data: bytes) -> None:
        forms = {data} if reader.sealed is None else {data, reader.sealed(data)}
        for form in forms:
            path.write_bytes(form)
            recognise(path)
            try:
                reader.read(path)
            except DelrecError as error:
                if "\n" in str(error):
                    raise RuntimeError("a message of more than one line") from error

    return one


def _changed(reader: Reader, path: Path, options: argparse.Namespace) -> int:
    """Changes at random, for some minutes, each read in a fork."""
    from benchmarks.trust.isolated import isolated
    from benchmarks.trust.mutations import mutated

    good, end, tried = path.read_bytes(), time.monotonic() + 60 * options.minutes, 0
    for data in mutated(good, sys.maxsize, seed=int.from_bytes(os.urandom(4), "little")):
        if time.monotonic() > end:
            break
        path.write_bytes(data)
        outcome = isolated(reader.read, path, seconds=SECONDS)
        tried += 1
        if outcome.is_fault:
            kept = options.found / f"crash-{file_name(options.reader)}-{tried}"
            kept.write_bytes(data)
            print(f"{outcome.kind}: {outcome.said}; written to {kept}", file=sys.stderr)
            return BROKEN
    print(f"Done {tried} runs", file=sys.stderr)
    return 0


def _all(options: argparse.Namespace, names: list[str]) -> int:
    """Each reader in a process of its own; the codes of those that failed are told at the end."""
    failed = []
    for name in names:
        words = [sys.executable, "-m", "benchmarks.trust.fuzz", name]
        words += ["--minutes", str(options.minutes), "--corpus", str(options.corpus)]
        done = subprocess.run([*words, "--found", str(options.found)], check=False)
        failed += [name] if done.returncode else []
    print(f"{len(names)} readers; failed: {', '.join(failed) or 'none'}", file=sys.stderr)
    return BROKEN if failed else 0


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trust.fuzz", description=__doc__.splitlines()[0]
    )
    parser.add_argument("reader", nargs="?", help="a kind of file, such as 'network'")
    parser.add_argument("--all", action="store_true", help="every reader, one after another")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each reader")
    parser.add_argument(
        "--corpus", type=Path, default=CORPUS, help="folder of inputs to start from"
    )
    parser.add_argument("--found", type=Path, default=Path(), help="folder for an input that fails")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
