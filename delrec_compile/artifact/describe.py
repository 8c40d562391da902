"""An artifact in numbers, from its folder or its archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from delrec_compile.artifact.manifest import FILE, read_folder
from delrec_compile.artifact.plain import load_any
from delrec_compile.errors import InputError
from delrec_compile.system import archive
from delrec_compile.system.fields import is_intact, parse_json

SHOWN = (
    *("name", "target", "machine", "form", "numeric", "proven", "inputs", "outputs", "dt_ms"),
    *("input_bits", "max_input"),
    *(
        "steps_per_call",
        "flash_bytes",
        "ram_bytes",
        "stack_bytes",
        "library_bytes",
        "source_sha256",
    ),
)


def describe(path: Path | str) -> dict[str, Any]:
    """What the manifest says: the facts that are SHOWN, files and tools. Checksums are checked in a
    folder. Raises InputError."""
    path = Path(path)
    data = read_folder(path) if path.is_dir() else _in_archive(path)
    if path.is_dir():
        load_any(path)
    facts = {key: data[key] for key in SHOWN if data.get(key) is not None}
    return {
        "path": str(path),
        "facts": facts,
        "files": sorted(data["files"]),
        "tools": data.get("tools", {}),
    }


def _in_archive(path: Path) -> dict[str, Any]:
    try:
        with archive.opened(path) as tar:
            found = next((m for m in tar if Path(m.name).name == FILE), None)
            stream = tar.extractfile(found) if found else None
            data = parse_json(stream.read() if stream else b"")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a packed artifact; build it again") from error
    if not (isinstance(data, dict) and is_intact(data) and isinstance(data.get("files"), dict)):
        raise InputError(f"{path}: its {FILE} is damaged; build the artifact again")
    return data
