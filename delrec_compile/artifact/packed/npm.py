"""An npm package of an artifact's WebAssembly, for Node and browsers."""

from __future__ import annotations

import json

from delrec_compile.artifact.packed.contents import Contents, tarred
from delrec_compile.errors import UnsupportedError

# what `import` takes from Node itself, before any package
NODES_OWN = frozenset(
    {
        *("assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants"),
        *("crypto", "dgram", "diagnostics_channel", "dns", "domain", "events", "fs", "http"),
        *("http2", "https", "inspector", "module", "net", "node_modules", "os", "path"),
        *("perf_hooks", "process", "punycode", "querystring", "readline", "repl", "stream"),
        *("string_decoder", "sys", "timers", "tls", "trace_events", "tty", "url", "util", "v8"),
        *("vm", "wasi", "worker_threads", "zlib"),
    }
)
TEMPLATES = {
    "package/package.json": "npm_package.json.in",
    "package/index.js": "npm_index.js.in",
    "package/index.d.ts": "npm_index.d.ts.in",
    "package/README.md": "npm_readme.md.in",
}


def pack(contents: Contents) -> tuple[str, bytes]:
    """Name and bytes of the package, as `npm pack` makes it.

    Raises UnsupportedError for an artifact without WebAssembly or with a front end, and for a name
    that Node itself has.
    """
    m = contents.manifest
    if not m.image or not m.image.endswith(".wasm"):
        raise UnsupportedError(
            f"{contents.artifact.path} ('{m.target}') holds no WebAssembly for npm; build it for wasm32"
        )
    contents.refuse_front_end("an npm package")
    if m.name.lower() in NODES_OWN:
        raise UnsupportedError(
            f"name '{m.name}': Node has that name; build the artifact with another --name"
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
