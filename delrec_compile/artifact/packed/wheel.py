"""A Python wheel of an artifact's library: NumPy alone is needed to run it.

Format: the binary distribution format of the Python packaging specifications; platform tags: PEP 600.
"""

from __future__ import annotations

import base64
import hashlib
import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from delrec_compile.artifact.manifest import Manifest
from delrec_compile.artifact.packed.contents import Contents, zipped
from delrec_compile.errors import UnsupportedError
from delrec_compile.system.elf import libraries_needed

FIRST = 17  # glibc 2.17: the oldest of which pip knows the tag
BASELINE = {"x86_64": "x86-64", "aarch64": "generic"}  # what a manylinux tag promises to run on
TEMPLATES = {"{name}/__init__.py": "wheel.py.in"}


def pack(contents: Contents) -> tuple[str, bytes]:
    """Name and bytes of the wheel; its version ends in the begin of the library's checksum.

    pip leaves an installed package as it is where the version is the same. Raises UnsupportedError
    for an artifact without a library of Linux or with a front end, and for a name that Python
    itself has.
    """
    m, library = contents.manifest, contents.artifact.library
    if library is None or m.is_gpu or library.suffix != ".so":
        raise UnsupportedError(
            f"{contents.artifact.path} ('{m.target}') has no library of Linux to make a wheel of; "
            "build it for x86_64 or arm_cpu"
        )
    contents.refuse_front_end("a wheel")
    if keyword.iskeyword(m.name) or m.name in {*sys.stdlib_module_names, "numpy"}:
        raise UnsupportedError(
            f"name '{m.name}': Python has that name; build the artifact with another --name"
        )
    name = canonicalize_name(m.name).replace("-", "_")
    checksum = hashlib.sha256(library.read_bytes()).hexdigest()
    version = (
        f"{contents.facts['number']}+b{checksum[:8]}"  # a letter: no number, which loses zeros
    )
    tag = f"py3-none-{platform_tag(m, library)}"
    files = contents.rendered(TEMPLATES, file=library.name)
    files[f"{m.name}/{library.name}"] = library.read_bytes()
    files[f"{m.name}/py.typed"] = b""
    info = f"{name}-{version}.dist-info"
    files[f"{info}/METADATA"] = _lines(
        ("Metadata-Version", "2.1"),
        ("Name", name),
        ("Version", version),
        ("Summary", contents.facts["summary"]),
        ("Requires-Python", ">=3.8"),
        ("Requires-Dist", "numpy"),
    )
    files[f"{info}/WHEEL"] = _lines(
        ("Wheel-Version", "1.0"),
        ("Generator", f"delrec-compile {contents.facts['number']}"),
        ("Root-Is-Purelib", "false"),
        ("Tag", tag),
    )
    files[f"{info}/RECORD"] = _record(files, info)
    return f"{name}-{version}-{tag}.whl", zipped(files)


def platform_tag(m: Manifest, library: Path) -> str:
    """manylinux where it holds: any glibc that has its symbols, any CPU of the kind. Else linux."""
    needed, versions = libraries_needed(library)
    minors = [int(found[1]) for v in versions if (found := re.match(r"GLIBC_2\.(\d+)", v))]
    plain = needed <= {"libc.so.6", "libm.so.6"} and len(minors) == len(versions)
    if not plain or BASELINE.get(m.machine) != m.cpu:
        return f"linux_{m.machine}"
    return f"manylinux_2_{max((FIRST, *minors))}_{m.machine}"


def _lines(*pairs: tuple[str, str]) -> bytes:
    return "".join(f"{key}: {value}\n" for key, value in pairs).encode()


def _record(files: Mapping[str, bytes], info: str) -> bytes:
    """RECORD: the checksum and size of each file but its own."""
    lines = []
    for path, raw in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(raw)}\n")
    return ("".join(lines) + f"{info}/RECORD,,\n").encode()
