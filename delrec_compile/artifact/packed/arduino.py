"""An Arduino library of an artifact's C sources, as the ZIP that its IDE adds.

Layout: Arduino's library specification, for versions from 1.5 on: every file of src/ is compiled, with
src/ alone on the include path.
"""

from __future__ import annotations

from delrec_compile.artifact.packed.contents import Contents, zipped

TEMPLATES = {
    "{name}/library.properties": "c_arduino.in",
    "{name}/keywords.txt": "arduino_keywords.txt.in",
    "{name}/README.md": "arduino_readme.md.in",
    "{name}/examples/Classify/Classify.ino": "arduino_sketch.ino.in",
}


def pack(contents: Contents) -> tuple[str, bytes]:
    """Name and bytes of the library. Raises UnsupportedError for an artifact without C sources."""
    contents.require_sources("an Arduino library")
    name = contents.manifest.name
    files = contents.rendered(TEMPLATES)
    # the headers themselves, in place of one that includes them
    files |= contents.copied("src", f"{name}/src") | contents.copied("include", f"{name}/src")
    return f"{name}.zip", zipped(files)
