"""An npm package of an artifact's WebAssembly, for Node and browsers."""

from __future__ import annotations

import json

from delrec_compile.artifact.packed.contents import Contents, tarred
from delrec_compile.errors import UnsupportedError

TEMPLATES = {
    "package/package.json": "npm_package.json.in",
    "package/index.js": "npm_index.js.in",
    "package/index.d.ts": "npm_index.d.ts.in",
    "package/README.md": "npm_readme.md.in",
}


def pack(contents: Contents) -> tuple[str, bytes]:
    """Name and bytes of the package, as `npm pack` makes it.

    Raises UnsupportedError for an artifact without WebAssembly.
    """
    m = contents.manifest
    if not m.image or not m.image.endswith(".wasm"):
        raise UnsupportedError(
            f"{contents.artifact.path} ('{m.target}') holds no WebAssembly for npm; build it for wasm32"
        )
    package, real = m.name.lower(), contents.facts["largest"] is None
    files = contents.rendered(
        TEMPLATES,
        package=package,
        real=real,
        array="Float32Array" if real else "Uint8Array",
        labels_json=json.dumps(contents.facts["labels"]),
    )
    files[f"package/{m.name}.wasm"] = (contents.artifact.path / m.image).read_bytes()
    return f"{package}-{contents.facts['number']}.tgz", tarred(files)
