"""The folder of a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from delrec_compile.data.synth_folder import check_folder, folder_when_done
from delrec_compile.errors import DataError


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "digits"
    with pytest.raises(KeyError):
        _fail(out)
    assert not out.exists()
    with folder_when_done(out) as folder:
        (folder / "a").write_text("whole")
    assert (out / "a").read_text() == "whole"
    check_folder(out, True, {"a"})
    with pytest.raises(DataError, match="not empty"):
        check_folder(out, False, {"a"})
    with pytest.raises(DataError, match="'a', which is not part"):
        check_folder(out, True, {"b"})


def _fail(out: Path) -> None:
    with folder_when_done(out) as folder:
        (folder / "a").write_text("half")
        raise KeyError
