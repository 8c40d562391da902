"""The image, the GitHub Action and the workflows: what they install and run, and what they may do."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from fixtures.tree import ROOT, settings

from delrec_compile.cli.compare import compare

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step.get("name", ""): step for step in ACTION["runs"]["steps"]}


def test_both_install_the_pytorch_of_the_package() -> None:
    (torch,) = (d for d in settings()["project"]["dependencies"] if d.startswith("torch=="))
    for text in ((ROOT / "Dockerfile").read_text(), STEPS["Install delrec-compile"]["run"]):
        assert f" {torch}" in text
        extras = text.split("delrec-compile[" if "COPY" in text else "SOURCE[")[1].split("]")[0]
        assert set(extras.split(",")) <= set(settings()["project"]["optional-dependencies"])


def compared(folder: Path, **given: str) -> list[str]:
    """The words that the action's script passes to the command, one a line."""
    program = folder / "delrec-compile"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    inputs = {key: own["default"] for key, own in ACTION["inputs"].items()} | given
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    for name, value in STEPS["Compare"]["env"].items():
        env[name] = inputs[value.removeprefix("${{ inputs.").removesuffix(" }}")]
    script = ["bash", "-euo", "pipefail", "-c", STEPS["Compare"]["run"]]
    done = subprocess.run(script, env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_action_passes_what_it_was_given(tmp_path: Path) -> None:
    plain = ["compare", "conv_delay_256", "--targets", "x86_64,cortex_m4", "--numeric", "float32"]
    assert compared(tmp_path) == plain
    given = {"model": "a net; ls", "max-us": "9.5", "max-flash": "128K", "html": "a page.html"}
    words = compared(tmp_path, **given)
    assert words[1] == "a net; ls"
    assert words[6:] == [
        "--max-us",
        "9.5",
        "--max-flash",
        "128K",
        "--html",
        "a page.html",
        "--force",
    ]
    assert compared(tmp_path, **{"max-ram": "16K", "max-instructions": "7"})[6:] == [
        *("--max-instructions", "7"),
        *("--max-ram", "16K"),
    ]


def test_each_input_is_an_option_of_the_command() -> None:
    options = inspect.signature(compare).parameters
    assert {key.replace("-", "_") for key in ACTION["inputs"]} <= set(options)


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAY = {"publish": {"id-token": "write"}}  # beside reading: to prove to the package index who it is


def steps(path: Path) -> list[dict[str, object]]:
    """Every step of a workflow, or of the action."""
    read = yaml.safe_load(path.read_text())
    if "runs" in read:
        return list(read["runs"]["steps"])
    return [step for job in read["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda p: p.name)
def test_what_others_wrote_is_pinned_and_gets_nothing(path: Path) -> None:
    """A tag can be moved; text that is put into a script is run as a part of it."""
    for step in steps(path):
        used = str(step.get("uses", ""))
        assert not used or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used), used
        assert "${{" not in str(step.get("run", ""))
        if used.startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_only_reads(path: Path) -> None:
    read = yaml.safe_load(path.read_text())
    assert read["permissions"] == {"contents": "read"}
    assert "secrets." not in path.read_text()
    assert not {"pull_request_target", "workflow_run"} & set(read[True])  # `on` is true in YAML
    for name, job in read["jobs"].items():
        assert job.get("permissions", {}) == MAY.get(name, {})


def test_the_image_does_not_run_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 1000"]
    assert lines.index("USER 1000") < lines.index('ENTRYPOINT ["delrec-compile"]')
