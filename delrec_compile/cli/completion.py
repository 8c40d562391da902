"""Values that a shell completes: names of this package, and the user's files of the right kind.

Each function takes the beginning of a word. Where none of its values fits, the shell offers files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer

from delrec_compile.bundled import NETWORKS
from delrec_compile.errors import DelrecError

NUMERIC = ("float32", "int16", "int8")
RECURRENCES = ("conv", "dense", "synaptic", "tap_conv", "conv2d", "channel_conv", "none")
# options of `import` that take one of few words
IMPORTS = {
    "input_bits": ("auto",),
    "grid": ("int16", "fine", "auto"),
    "method": ("euler", "exact"),
    "time_unit": ("seconds", "steps"),
    "fires": ("at", "above"),
    "reset": ("hard", "soft", "soft_later"),
}
MANIFEST = "manifest.json"
SAMPLES = (".npz", ".npy", ".csv", ".h5")


def models(incomplete: str) -> list[str]:
    """Bundled networks, and files of networks."""
    return [*NETWORKS, *_files(incomplete, ".safetensors")]


def sources(incomplete: str) -> list[str]:
    """What `build` takes."""
    return [*models(incomplete), *_files(incomplete, ".onnx")]


def runnables(incomplete: str) -> list[str]:
    """Artifacts, and files that run without one."""
    return [*artifacts(incomplete), *_files(incomplete, ".onnx", ".safetensors")]


def listeners(incomplete: str) -> list[str]:
    """What `listen` takes."""
    return [*models(incomplete), *artifacts(incomplete)]


def audio(incomplete: str) -> list[str]:
    """Values of `listen --input`."""
    return ["-", *_files(incomplete, ".wav")]


def artifacts(incomplete: str) -> list[str]:
    """Folders of artifacts, and folders on the way to them."""
    parent = _parent(incomplete)
    folders = sorted(p for p in _listed(parent) if p.is_dir() and not p.name.startswith("."))
    built = [str(p) for p in folders if (p / MANIFEST).is_file()]
    return [*built, *(f"{p}/" for p in folders if str(p) not in built)]


def shown(incomplete: str) -> list[str]:
    """What `inspect` and `report` take."""
    return [*models(incomplete), *runnables(incomplete), *_files(incomplete, *SAMPLES)]


def importable(incomplete: str) -> list[str]:
    """Files that `import` reads."""
    return _files(incomplete, ".nir", ".net", ".pth", ".pt", ".h5")


def recipes(incomplete: str) -> list[str]:
    """Values of `import --recipe`."""
    from delrec_compile.interop.checkpoints import snn_delays
    from delrec_compile.interop.delrec.recipes import RECIPES

    return [*(recipe.name for recipe in RECIPES), *snn_delays.RECIPES]


def of_import(name: str, kind: type) -> dict[str, Any]:
    """The completion of an option of `import`, as an argument of its declaration; of texts alone."""
    if kind in (bool, int, float):
        return {}
    values = recipes if name == "recipe" else one_of(*IMPORTS.get(name, ()))
    return {"autocompletion": values}


def samples(incomplete: str) -> list[str]:
    """Values of `--input`."""
    return ["auto", "samples", "random", "random:0", *_files(incomplete, *SAMPLES)]


def targets(incomplete: str) -> list[str]:
    """Values of `--target`."""
    from delrec_compile import targets as profiles

    own = [*profiles.names(), *profiles.board_names(), *profiles.platform_names()]
    with contextlib.suppress(DelrecError):  # a broken package: the command says so, not the key
        own += profiles.added_names()
    return [*own, *_files(incomplete, ".toml")]


def boards(incomplete: str) -> list[str]:
    """Values of `--boards`."""
    from delrec_compile import targets as profiles

    return _listed_after_comma(incomplete, ["all", *profiles.board_names(), *profiles.names()])


def target_lists(incomplete: str) -> list[str]:
    """Values of `--targets`."""
    return _listed_after_comma(incomplete, ["all", *targets("")])


def numeric_lists(incomplete: str) -> list[str]:
    """Values of `--numeric` where it takes several."""
    return _listed_after_comma(incomplete, NUMERIC)


def engines(incomplete: str) -> list[str]:
    """Values of `bench --rows`."""
    from delrec_compile.evaluation.baselines.registry import ENGINES

    return _listed_after_comma(incomplete, ENGINES)


def programs(incomplete: str) -> list[str]:
    """Values of `footprint --rows`."""
    from delrec_compile.evaluation.footprint.programs import NAMES

    return _listed_after_comma(incomplete, NAMES)


def variants(ctx: typer.Context, incomplete: str) -> list[str]:
    """Values of `claims --variants`: with --paper those of the papers."""
    from delrec_compile.evaluation.claims.published import PAPER_VARIANTS
    from delrec_compile.evaluation.claims.variants import EXTRA_VARIANTS, VARIANTS

    known = PAPER_VARIANTS if ctx.params.get("paper") else (*VARIANTS, *EXTRA_VARIANTS)
    return _listed_after_comma(incomplete, (v.name for v in known))


def settings(ctx: typer.Context, incomplete: str) -> list[str]:
    """Values of `--set`: a name, then its value. `claims` has some options of its own."""
    from dataclasses import fields

    from delrec_compile.evaluation.claims.variants import CHOSEN
    from delrec_compile.training.config import TrainConfig

    own = CHOSEN if ctx.info_name == "claims" else ()
    return [f"{f.name}=" for f in fields(TrainConfig) if f.name not in own]


def one_of(*values: str) -> Callable[[str], list[str]]:
    """A completion by values that are known beforehand."""

    def known(incomplete: str) -> list[str]:
        return [*values]

    return known


def _parent(incomplete: str) -> Path:
    return Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _files(incomplete: str, *suffixes: str) -> list[str]:
    """Files of these suffixes in the folder that the word names so far."""
    parent = _parent(incomplete)
    return sorted(str(p) for p in _listed(parent) if p.suffix in suffixes and p.is_file())


def _listed_after_comma(incomplete: str, values: Iterable[str]) -> list[str]:
    """Lists that are longer by one name than what is there."""
    before, comma, _ = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{value}" for value in values if value not in taken]
