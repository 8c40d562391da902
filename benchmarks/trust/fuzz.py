"""Coverage-guided fuzzing of a reader of files, by atheris.

    python -m benchmarks.trust.fuzz "ONNX step" --minutes 10

Starts from a good file and from the corpus; inputs that reach new code are added to it. A failure
stops the run: the input is written and named. Readers that work in a child process see no coverage
there; `--only foreign` mutates their files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"
SECONDS, MEGABYTES = 20, 4096  # of one input


def main(argv: list[str] | None = None) -> int:
    """Never returns where it runs: atheris ends the process, with 0 where nothing was found."""
    options = _parsed(argv)
    try:
        import atheris
    except ImportError:
        print("error: atheris is not installed; run: pip install atheris", file=sys.stderr)
        return 5
    with atheris.instrument_imports(include=["delrec_compile"]):
        from benchmarks.trust.readers import READERS
        from delrec_compile.errors import DelrecError

    if options.reader not in READERS or READERS[options.reader].in_child:
        names = ", ".join(name for name, reader in READERS.items() if not reader.in_child)
        print(f"error: unknown reader '{options.reader}'; allowed: {names}", file=sys.stderr)
        return 2
    reader = READERS[options.reader]
    folder = Path(tempfile.mkdtemp(prefix="delrec-fuzz-"))
    path = reader.make(folder)
    corpus: Path = options.corpus / options.reader.replace(" ", "_")
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "good").write_bytes(path.read_bytes())

    def one(data: bytes) -> None:
        path.write_bytes(data)
        try:
            reader.read(path)
        except DelrecError as error:
            if "\n" in str(error):
                raise RuntimeError("a message of more than one line") from error

    words: list[Any] = [sys.argv[0], str(corpus), f"-artifact_prefix={options.found}/"]
    words += [f"-max_total_time={round(options.minutes * 60)}", f"-timeout={SECONDS}"]
    words += [f"-rss_limit_mb={MEGABYTES}", "-print_final_stats=1"]
    atheris.Setup(words, one)
    atheris.Fuzz()
    return 0


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust.fuzz", description=__doc__)
    parser.add_argument("reader", help="a kind of file, such as 'network'")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--corpus", type=Path, default=CORPUS, help="folder of inputs to start from"
    )
    parser.add_argument("--found", type=Path, default=Path(), help="folder for an input that fails")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
