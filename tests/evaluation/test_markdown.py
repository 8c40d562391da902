"""Tables in Markdown."""

from delrec_compile.evaluation.markdown import table


def test_a_table_is_aligned_and_its_bars_are_escaped() -> None:
    rows = [("a", "1"), ("b|c", "2")]
    assert table(("name", "us"), rows) == [
        "| name | us |",
        "|---|---:|",
        "| a | 1 |",
        "| b\\|c | 2 |",
    ]
    assert table(("name", "us"), rows, right=False)[1] == "|---|---|"
    assert table(("name",), []) == ["| name |", "|---|"]
