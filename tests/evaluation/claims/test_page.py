"""The claims between the marks of a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.claims import small_claims

from delrec_compile.errors import InputError
from delrec_compile.evaluation.claims.claim import Claims
from delrec_compile.evaluation.claims.page import brief, markdown, write


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Claims:
    return small_claims(tmp_path_factory.mktemp("claims"), seeds=1)


def test_a_new_file_holds_all_tables(result: Claims, tmp_path: Path) -> None:
    write(tmp_path / "claims.md", result, "claims DATA")
    text = (tmp_path / "claims.md").read_text()
    assert text == markdown(result, "claims DATA")
    assert "Made by `claims DATA`" in text
    assert "| network | recurrent parameters |" in text
    assert "|---|---:|" in text


def test_only_what_lies_between_the_marks_is_replaced(result: Claims, tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- claims: short -->\nold\n<!-- end of claims -->\nafter\n")
    write(page, result, "claims DATA")
    text = page.read_text()
    assert text.startswith("before\n<!-- claims: short -->\n| network |")
    assert text.endswith("<!-- end of claims -->\nafter\n")
    assert "old" not in text
    assert brief(result, "claims DATA") in text
    write(page, result, "claims DATA")
    assert page.read_text() == text


def test_a_page_that_is_no_text_is_refused(result: Claims, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        write(tmp_path / "page.md", result, "claims DATA")
