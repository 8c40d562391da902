"""`inspect` of what is no network: artifacts, ONNX graphs, samples."""

from __future__ import annotations

from typing import Any

from delrec_compile.cli.terminal import print_json, show, show_next
from delrec_compile.system.recognise import GRAPHS, Kind

ARTIFACTS = (Kind.ARTIFACT, Kind.PLAIN_ARTIFACT, Kind.ARCHIVE)
SAMPLES = (Kind.EVENTS, Kind.SAMPLES)


def show_other(path: str, kind: Kind, as_json: bool) -> bool:
    """Prints what the file holds; False for a kind that is not known here."""
    if kind in ARTIFACTS:
        _show_artifact(path, kind, as_json)
    elif kind in GRAPHS:
        _show_graph(path, kind, as_json)
    elif kind in SAMPLES:
        from delrec_compile.cli.data import data_info

        data_info(path, as_json)
    else:
        return False
    return True


def _show_artifact(path: str, kind: Kind, as_json: bool) -> None:
    from delrec_compile.artifact.describe import describe

    told = describe(path)
    if as_json:
        print_json("inspect", kind=str(kind), **told)
        return
    _show_facts(f"{path}: {kind}", told["facts"])
    show(f"files: {', '.join(told['files'])}")
    show(f"built with: {', '.join(f'{name} {version}' for name, version in told['tools'].items())}")
    if kind is not Kind.ARCHIVE:
        show_next("check", path)


def _show_graph(path: str, kind: Kind, as_json: bool) -> None:
    from delrec_compile.network.onnx_step.describe import describe

    told = describe(path)
    if as_json:
        print_json("inspect", kind=str(kind), **told)
        return
    _show_facts(f"{path}: {kind}", {"bytes": told["bytes"], **told["facts"]})
    ports = [("input", *item) for item in told["inputs"].items()]
    ports += [("output", *item) for item in told["outputs"].items()]
    from delrec_compile.cli.tables import table

    show(table("", ("tensor", "name", "type and shape"), ports))
    show(f"operators: {', '.join(f'{n} {name}' for name, n in told['operators'].items())}")
    if kind is Kind.STEP:
        show_next("run", path)
    elif kind is Kind.PLAIN_STEP:
        show_next("build", path, "--dry-run")


def _show_facts(title: str, facts: dict[str, Any]) -> None:
    from delrec_compile.cli.tables import table

    rows = [(name.replace("_", " "), str(value)) for name, value in facts.items()]
    show(title, table("", ("fact", "value"), rows))
