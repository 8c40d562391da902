"""Writes the bundled words as raw bytes, for programs without NumPy: `python words.py FOLDER`.

One file per word, `<number>_<label>.u8`: 80 steps of 10 ms, each 140 counts of spikes, one byte
each; and `labels.txt`, a line per class.
"""

import sys
from pathlib import Path

from delrec_compile import read_samples


def write_words(folder: Path) -> None:
    samples = read_samples("samples")
    folder.mkdir(parents=True, exist_ok=True)
    for number, (counts, label) in enumerate(zip(samples.counts, samples.labels, strict=True)):
        file = folder / f"{number:02}_{samples.keys[label]}.u8"
        file.write_bytes(counts.astype("uint8").tobytes())
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in samples.keys))


if __name__ == "__main__":
    write_words(Path(sys.argv[1]))
