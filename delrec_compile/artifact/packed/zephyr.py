"""A Zephyr module of an artifact's C sources: a folder for ZEPHYR_EXTRA_MODULES, as ZIP.

Layout: Zephyr's documentation of modules (external projects).
"""

from __future__ import annotations

from delrec_compile.artifact.packed.contents import Contents, zipped

TEMPLATES = {
    "{name}/zephyr/module.yml": "c_zephyr_module.in",
    "{name}/zephyr/CMakeLists.txt": "c_zephyr_cmake.in",
    "{name}/zephyr/Kconfig": "c_zephyr_kconfig.in",
    "{name}/README.md": "zephyr_readme.md.in",
    "{name}/samples/classify/CMakeLists.txt": "zephyr_sample_cmake.in",
    "{name}/samples/classify/prj.conf": "zephyr_sample_conf.in",
    "{name}/samples/classify/sample.yaml": "zephyr_sample_yaml.in",
    "{name}/samples/classify/src/main.c": "zephyr_sample.c.in",
}


def pack(contents: Contents) -> tuple[str, bytes]:
    """Name and bytes of the module. Raises UnsupportedError for an artifact without C sources."""
    contents.require_sources("a Zephyr module")
    name = contents.manifest.name
    files = contents.rendered(TEMPLATES)
    files |= contents.copied("src", f"{name}/src") | contents.copied("include", f"{name}/include")
    # the header of Arduino, which includes the one of include/
    del files[f"{name}/src/{name}.h"]
    return f"{name}-zephyr.zip", zipped(files)
