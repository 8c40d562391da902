"""Row sums step by step and tile by tile: that they are right, and the table."""

import numpy as np
import pytest
from fixtures.avx512 import needs_bitalg

from benchmarks import hand_written, tiles
from delrec_compile.errors import ParityError, UnsupportedError


@needs_bitalg
def test_every_way_is_compared_with_numpys(tmp_path):
    rows = tiles.Rows(hand_written.load_timed("tiles", tmp_path), 256)
    assert rows.active == 13
    for tile in (None, *tiles.TILES):
        assert rows.time(tile) > 0
        table = rows.tables[256 if tile is None else tile]
        flipped = table.copy()
        table ^= 1
        with pytest.raises(ParityError, match="sum of rows is wrong"):
            rows.time(tile)
        table[:] = flipped
    rows.add = lambda *_: 0
    with pytest.raises(ParityError, match="sum of rows is wrong"):  # not those of the way before
        rows.time(None)


@needs_bitalg
def test_the_table_has_a_row_for_each_size(monkeypatch, capsys):
    monkeypatch.setattr(tiles, "SIZES", (256,))
    assert tiles.main(["--rounds", "1"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["N", "step", "by", "step"]
    assert all(value > 0 for value in np.array(row.split(), float))
    assert len(row.split()) == 2 + len(tiles.TILES) + 1


def test_a_processor_without_vnni_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(hand_written, "FEATURES", ("avx10000",))
    assert tiles.main([]) == UnsupportedError.exit_code
    assert "lacks avx10000" in capsys.readouterr().err
