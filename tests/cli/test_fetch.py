"""delrec-compile data fetch."""

from __future__ import annotations

import json

from fixtures.command import ok_here, refused_here

from delrec_compile.data import fetch


def test_a_data_set_is_fetched_with_its_licence(archive_server, tmp_path, monkeypatch):
    monkeypatch.setitem(fetch.SOURCES, "shd", archive_server.archives)
    line = ("data", "fetch", "shd", tmp_path / "shd", "--url", archive_server.url)
    said = ok_here(*line)
    assert "shd_train.h5: " in said
    assert "licence: Creative Commons Attribution 4.0 International (CC BY 4.0)" in said
    assert "please cite: Cramer" in said
    assert f"next: delrec-compile train {tmp_path / 'shd'} -o net" in said
    told = json.loads(ok_here(*line, "--force", "--json"))
    assert told["schema"] == "delrec.data-fetch/1"
    assert set(told["files"]) == {"shd_train.h5.zip", "shd_test.h5.zip"}


def test_what_is_not_there_names_the_option(archive_server, tmp_path):
    line = ("data", "fetch", "ssc", tmp_path / "ssc", "--url", archive_server.url)
    assert "404 Not Found; name another place with --url" in refused_here(3, *line)
    assert not (tmp_path / "ssc").exists()
    line = ("data", "fetch", "shd", tmp_path / "shd", "--url", archive_server.url)
    assert "is required; it is removed: try again, or name another place" in refused_here(3, *line)
