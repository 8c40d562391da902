"""An artifact as one file that another language's or system's own installer takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.artifact.packed import arduino, npm, wheel, zephyr
from delrec_compile.artifact.packed.contents import Contents
from delrec_compile.errors import InputError, UsageError, did_you_mean
from delrec_compile.system.files import check_writable, write_atomic

KINDS: Mapping[str, Callable[[Contents], tuple[str, bytes]]] = MappingProxyType(
    {"wheel": wheel.pack, "npm": npm.pack, "arduino": arduino.pack, "zephyr": zephyr.pack}
)


def package(
    artifact: Artifact | Path | str, kind: str, out: Path | str = ".", force: bool = False
) -> Path:
    """Writes a package of an artifact into the folder `out`, and returns its path.

    kind: `wheel`, a library for pip, which needs NumPy alone; `npm`, WebAssembly for Node and
    browsers; `arduino`, a library as ZIP, and `zephyr`, a module, of C sources. Equal artifacts are
    equal packages. Raises UsageError for an unknown kind, UnsupportedError for an artifact of
    another form, InputError for a file that exists.
    """
    if kind not in KINDS:
        raise UsageError(
            f"unknown kind of package '{kind}'{did_you_mean(kind, KINDS)}; allowed: {', '.join(KINDS)}"
        )
    loaded = artifact if isinstance(artifact, Artifact) else load_artifact(artifact)
    name, raw = KINDS[kind](Contents.of(loaded))
    path = Path(out) / name
    if path.exists() and not force:
        raise InputError(f"{path} exists; add force=True to replace it")
    check_writable(path)
    write_atomic(path, raw)
    return path
