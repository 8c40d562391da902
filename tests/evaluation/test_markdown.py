"""Tables in Markdown."""

from delrec_compile.evaluation.markdown import plain, table


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
    assert table(("a\nb",), [("\x1b[31m",)]) == ["| a\\nb |", "|---|", "| \\x1b[31m |"]


def test_a_name_makes_no_heading_element_or_link() -> None:
    assert plain("conv_delay_256") == "conv_delay_256"
    assert plain("__a__ &amp; <b>[x](y)\n# h") == r"\_\_a\_\_ \&amp; \<b\>\[x\](y) \# h"
    assert plain("\x1b]0;OWNED\x07") == r"\\x1b\]0;OWNED\\x07"
