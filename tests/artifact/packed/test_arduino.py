"""The Arduino library: its layout and properties by their specification, its C on a chip.

The rules are those of Arduino's library specification (version 1.5) that its linter checks; the linter
itself is in no registry of packages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from fixtures.unzipped import STRICT, self_test, unzipped
from helpers import refusal

from delrec_compile.artifact.abi import LISTEN
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.packed import arduino
from delrec_compile.artifact.packed.contents import Contents
from delrec_compile.errors import UnsupportedError
from delrec_compile.system.toolchain import cc, run_tool

Built = Callable[[str], Artifact]
CATEGORIES = {
    *("Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing"),
    *("Data Storage", "Data Processing", "Other"),
}
# what of its core the sketch uses
CORE = """\
#pragma once
#include <stddef.h>
#include <stdint.h>
struct Console {
    void begin(unsigned long) {}
    void println(const char *) {}
    void println(int32_t) {}
    void println(double, int) {}
};
extern Console Serial;
void setup();
void loop();
"""


def library(built: Built, folder: Path) -> Path:
    name, raw = arduino.pack(Contents.of(built("portable_c")))
    assert name == "conv3.zip"
    return unzipped(raw, folder / "unzipped")


def test_the_layout_is_the_specified_one(built: Built, tmp_path: Path) -> None:
    root = library(built, tmp_path)
    assert {p.name for p in root.iterdir()} == {
        *("library.properties", "keywords.txt", "README.md", "src", "examples"),
    }
    lines = (root / "library.properties").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines)
    assert re.fullmatch(r"[A-Za-z][\w .-]{0,62}", said["name"], re.ASCII)
    assert re.fullmatch(r"\d+\.\d+\.\d+", said["version"])
    assert said["category"] in CATEGORIES
    assert said["url"].startswith("https://")
    assert all(said[key] for key in ("author", "maintainer", "sentence", "architectures"))
    assert not re.match("arduino", said["name"] + said["maintainer"], re.IGNORECASE)
    assert said["sentence"] not in said["paragraph"]
    assert (root / "src" / said["includes"]).is_file()
    for sketch in (root / "examples").iterdir():
        assert (sketch / f"{sketch.name}.ino").is_file()


def test_the_keywords_are_words_of_the_header(built: Built, tmp_path: Path) -> None:
    root = library(built, tmp_path)
    header = (root / "src" / "conv3.h").read_text()
    kinds = {}
    for line in (root / "keywords.txt").read_text().splitlines():
        if not line.startswith("#"):
            word, kind = line.split("\t")
            kinds[word] = kind
            assert re.search(rf"\b{word}\b", header), word
    calls = set(re.findall(r"^\S.*?\b(conv3_\w+)\(", header, re.M))
    assert {word for word, kind in kinds.items() if kind == "KEYWORD2"} == calls


def test_a_front_end_is_in_it_with_its_words(listening: Built, tmp_path: Path) -> None:
    root = unzipped(arduino.pack(Contents.of(listening("portable_c")))[1], tmp_path / "unzipped")
    assert {p.name for p in (root / "src").glob("*_frontend*")} == {
        *("conv3_frontend.h", "conv3_frontend.c", "conv3_frontend_kernel.c"),
    }
    words = dict(line.split("\t") for line in (root / "keywords.txt").read_text().splitlines()[1:])
    header = (root / "src" / "conv3_frontend.h").read_text()
    calls = set(re.findall(r"^\S.*?\b(conv3_\w+)\(", header, re.M))
    assert calls == {f"conv3_{entry}" for entry in LISTEN}
    defined = set(re.findall(r"^#define (CONV3_\w+) ", header, re.M))
    assert calls | defined | {"conv3_frontend_state", "conv3_listener"} <= {*words}
    assert "conv3_frontend.h` takes sound" in (root / "README.md").read_text()


def test_the_sketch_takes_one_step_however_many_a_call_takes(built: Built) -> None:
    """Its arrays hold one step; `_step` takes as many as the artifact was built for."""
    for template in ("arduino_sketch.ino.in", "zephyr_sample.c.in"):
        (text,) = Contents.of(built("portable_c")).rendered({"sketch": template}).values()
        assert b"conv3_run(&state, x, 1, y)" in text
        assert b"conv3_step(" not in text


def test_its_sources_and_sketch_compile_and_run(built: Built, tmp_path: Path) -> None:
    root = library(built, tmp_path)
    assert self_test(sorted((root / "src").glob("*.c")), root / "src", "conv3", tmp_path) == 0
    (tmp_path / "Arduino.h").write_text(CORE)
    (sketch,) = root.glob("examples/*/*.ino")
    strict = ("-std=gnu++17", *STRICT, "-fsyntax-only", "-include", tmp_path / "Arduino.h")
    run_tool([*cc(), "-x", "c++", *map(str, strict), f"-I{root / 'src'}", str(sketch)])


def test_a_library_is_refused(built: Built) -> None:
    with refusal(UnsupportedError, "holds no C sources for an Arduino library; build it for", 4):
        arduino.pack(Contents.of(built("x86_64")))
