"""`make audit`: known vulnerabilities of what the lock holds, by pip-audit at PyPI's advisories.

Exit code: 0 none known, 1 some, 8 the advisories could not be asked, so that nothing is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

LOCK = "requirements.lock"
FLAGS = ("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off")
NONE, SOME, UNASKED = 0, 1, 8


def verdict(out: str, err: str) -> tuple[int, str]:
    """The exit code and what is said. out, err: of pip-audit, which may skip what it cannot ask."""
    try:
        packages: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (err.strip().splitlines() or ["no message"])[-1]
        return UNASKED, f"audit: the advisories could not be asked ({last}); nothing was checked"
    skipped = [p["name"] for p in packages if "skip_reason" in p]
    if len(skipped) == len(packages):
        why = packages[0]["skip_reason"] if packages else f"{LOCK} is empty"
        return UNASKED, f"audit: the advisories know no package ({why}); nothing was checked"
    found = [
        f"{p['name']} {p['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'none'}"
        for p in packages
        for v in p.get("vulns", ())
    ]
    checked = (
        f"audit: {len(packages) - len(skipped)} packages checked, {len(found)} vulnerabilities"
    )
    unknown = [f"not checked: {', '.join(skipped)}"] if skipped else []
    return SOME if found else NONE, "\n".join([checked, *found, *unknown])


def main() -> int:
    """Asks pip-audit, and prints its verdict."""
    line = [sys.executable, "-m", "pip_audit", "--requirement", LOCK, *FLAGS]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    code, said = verdict(done.stdout, done.stderr)
    print(said, file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
