"""Writes the bundled words as raw bytes, for programs without NumPy: `python words.py FOLDER`.

One file per word, `<number>_<label>.u8`: 80 steps of 10 ms, each 140 counts of spikes, one byte
each; and `index.json`, the labels of the classes and the names of the files.
"""

import json
import sys
from pathlib import Path

from delrec_compile import read_samples


def write_words(folder: Path) -> None:
    samples = read_samples("samples")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, (counts, label) in enumerate(zip(samples.counts, samples.labels, strict=True)):
        files.append(f"{number:02}_{samples.keys[label]}.u8")
        (folder / files[-1]).write_bytes(counts.astype("uint8").tobytes())
    index = {"labels": list(map(str, samples.keys)), "files": files}
    (folder / "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    write_words(Path(sys.argv[1]))
