"""`make audit`: what is said of the answers of pip-audit."""

from __future__ import annotations

import json

from benchmarks.audit import NONE, SOME, UNASKED, verdict

CLEAN = {"name": "numpy", "version": "2.0", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}
OPEN = {"name": "h5py", "version": "3.1", "vulns": [{"id": "CVE-1", "fix_versions": ["3.2"]}]}


def told(*packages: object) -> tuple[int, str]:
    return verdict(json.dumps({"dependencies": packages, "fixes": []}), "")


def test_the_verdict() -> None:
    assert told(CLEAN) == (NONE, "audit: 1 packages checked, 0 vulnerabilities")
    code, said = told(CLEAN, OPEN, SKIPPED)
    assert code == SOME
    assert said.splitlines()[1:] == ["h5py 3.1: CVE-1, mended in 3.2", "not checked: torch"]


def test_without_a_service_nothing_is_known_and_one_line_says_so() -> None:
    for code, said in (
        verdict("", "Traceback (most recent call last):\n  x\nConnectionError: no route to host\n"),
        told(SKIPPED, SKIPPED),
    ):
        assert code == UNASKED
        assert said.startswith("audit: the advisories")
        assert said.endswith("; nothing was checked")
        assert "\n" not in said
