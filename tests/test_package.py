"""The package's own names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def test_the_package_verbs_stay_functions():
    import delrec_compile.compiler.build
    import delrec_compile.runners.predict as _  # noqa: F401

    assert callable(delrec_compile.build)
    assert callable(delrec_compile.run)
    assert set(delrec_compile.__all__) <= set(dir(delrec_compile)) | set(delrec_compile.API)
    for name in delrec_compile.__all__:
        assert callable(getattr(delrec_compile, name)), name


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_telemetry_of_onnxruntime_is_off_for_children_too(before: str | None, after: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    if before is not None:
        environment["ORT_DISABLE_TELEMETRY"] = before
    code = (
        "import sys, subprocess, delrec_compile; assert 'onnxruntime' not in sys.modules; "
        "subprocess.run(['printenv', 'ORT_DISABLE_TELEMETRY'], check=True)"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == after
