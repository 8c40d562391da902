"""The store of tuning records: appended, torn, damaged, written by several at once, merged."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import zlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from helpers import refusal, tree

from delrec_compile.aliases import Numeric
from delrec_compile.compiler.schedules.store import (
    QUARANTINE,
    Key,
    Store,
    default_folder,
    parse,
    read,
)
from delrec_compile.errors import InputError

KEY = Key("0.27.0", "x86_64", "x86-64-v2", Numeric.FLOAT32, "abc", {"parts": [1, 2]})
APPEND = """
import sys
from delrec_compile.compiler.schedules.store import Key, Store
store, who, n = Store(sys.argv[1]), sys.argv[2], int(sys.argv[3])
key = Key.from_json({key!r})
for i in range(n):
    store.append(key, {{"trial": {{"who": who, "i": i, "filling": "x" * (i % 50)}}}})
    print(i, flush=True)
"""


def trial(who: str, i: int) -> dict[str, Any]:
    return {"trial": {"who": who, "i": i, "filling": "x" * (i % 50)}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "db")


def filled(store: Store, n: int = 3) -> Path:
    for i in range(n):
        store.append(KEY, trial("a", i))
    return store.path(KEY)


def numbers(store: Store, who: str = "a") -> list[int]:
    return [t["i"] for t in store.read(KEY).all("trial") if t["who"] == who]


def appending(folder: Path, who: str, n: int) -> subprocess.Popen[str]:
    code = APPEND.format(key=json.loads(json.dumps(asdict(KEY))))
    line = [sys.executable, "-c", code, str(folder), who, str(n)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def test_records_come_back_in_order(store: Store) -> None:
    assert store.read(KEY).records == ()
    assert not store.folder.exists()
    path = filled(store)
    store.append(KEY, {"winner": {"ratio": 0.5}})
    found = read(path)
    assert found.key == KEY
    assert numbers(store) == [0, 1, 2]
    assert found.all("winner") == [{"ratio": 0.5}]
    assert found.bad == ()
    assert path.name == f"x86_64-x86-64-v2-float32-{KEY.digest}.jsonl"


def test_every_part_of_a_key_has_a_file_of_its_own() -> None:
    parts = {"tvm": "1", "target": "b", "cpu": "c", "numeric": "int8", "code": "d", "workload": {}}
    keys = [replace(KEY, **{name: value}) for name, value in parts.items()]  # type: ignore[arg-type]
    assert len({k.file for k in [KEY, *keys]}) == 7
    assert "/" not in replace(KEY, cpu="a b/../c").file


def test_the_folder_is_named_by_the_user_or_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_DB", "/a/b")
    assert default_folder() == Path("/a/b")
    monkeypatch.delenv("DELREC_DB")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert default_folder() == Path("/c/delrec-compile/tuning")


def test_a_torn_end_costs_one_record_wherever_it_is_torn(store: Store) -> None:
    path = filled(store)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(whole)):
        path.write_bytes(whole[:end])
        store.append(KEY, trial("a", 9))
        assert numbers(store) in ([0, 1, 9], [0, 1, 2, 9]), end
        assert len(read(path).bad) <= 1
    path.write_bytes(whole[: last // 2])
    store.append(KEY, trial("a", 9))
    assert numbers(store)[-1] == 9


def test_kill_9_loses_nothing_that_was_written(tmp_path: Path) -> None:
    for turn in range(5):
        folder = tmp_path / str(turn)
        process = appending(folder, "a", 100_000)
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(5 + 7 * turn)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        said = len([line for line in told if line.endswith("\n")])
        found = numbers(Store(folder))
        assert found == list(range(len(found)))
        assert said <= len(found) <= said + 1
        assert len(Store(folder).read(KEY).bad) <= 1


GARBAGE = (
    b"\x00\xff\xfe not text",
    b"00000000 {}",
    b"deadbeef " + b'{"trial": {"ratio": 0.0001}}',
    b"%08x [1, 2]" % zlib.crc32(b"[1, 2]"),
    b"%08x {" % zlib.crc32(b"{"),
    b"",
    b"x" * 10_000,
)


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_never_used_and_goes_into_quarantine(store: Store, garbage: bytes) -> None:
    path = filled(store)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], garbage + b"\n", *lines[2:]]))
    assert numbers(store) == [0, 1, 2]
    assert read(path).bad == ((3, garbage),)
    assert store.repair(path) == 1
    assert path.read_bytes() == b"".join(lines)
    assert Path(f"{path}{QUARANTINE}").read_bytes() == garbage + b"\n"
    assert store.repair(path) == 0


def test_a_flipped_bit_is_seen_wherever_it_is(store: Store) -> None:
    path = filled(store)
    whole = path.read_bytes()
    for at, bit in itertools.product(range(len(whole)), range(8)):
        raw = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
        found = parse(path, raw)
        good = [{"trial": t} for t in found.all("trial")]
        assert all(t in [trial("a", i) for i in range(3)] for t in good)
        assert len(good) >= 1
        assert found.bad


def test_a_file_without_its_first_line(store: Store) -> None:
    path = filled(store)
    path.write_bytes(b"x" + path.read_bytes())
    assert read(path).key is None
    assert numbers(store) == [0, 1, 2]
    store.repair(path, KEY)
    assert read(path).key == KEY
    assert numbers(store) == [0, 1, 2]
    path.write_bytes(b"x" + path.read_bytes())
    store.repair(path)
    assert not path.exists()
    assert Path(f"{path}{QUARANTINE}").stat().st_size > 0


def test_two_processes_append_at_once_while_a_third_repairs(store: Store) -> None:
    path = store.path(KEY)
    writers = {who: appending(store.folder, who, 150) for who in ("a", "b")}
    garbage = 0
    while any(w.poll() is None for w in writers.values()):
        if path.exists():
            with path.open("ab") as file:
                file.write(b"garbage\n")
            garbage += 1
            store.repair(path, KEY)
    for writer in writers.values():
        out, _ = writer.communicate()
        assert writer.returncode == 0
        assert out.split() == [str(i) for i in range(150)]
    store.repair(path, KEY)
    assert numbers(store, "a") == numbers(store, "b") == list(range(150))
    # writing past the lock is what garbage does: it may meet a file that is being replaced
    aside = Path(f"{path}{QUARANTINE}").read_bytes().count(b"garbage")
    assert 0 < aside <= garbage


def test_merging_takes_what_is_new_once(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    filled(store, 2)
    path = filled(other, 4)
    another = replace(KEY, cpu="x86-64-v3")
    other.append(another, trial("b", 7))
    with path.open("ab") as file:
        file.write(b"torn")
    done = store.merge([other.folder])
    assert done.added == {KEY.file: 2, another.file: 1}
    assert done.skipped == [(str(path), "1 damaged lines")]
    assert numbers(store) == [0, 1, 2, 3]
    before = tree(store.folder)
    assert set(store.merge([path, other.path(another)]).added.values()) == {0}
    assert tree(store.folder) == before
    path.write_bytes(b"no store\n")
    assert store.merge([path]).skipped[-1] == (str(path), "its first line is damaged: not used")
    with refusal(InputError, "no such file or folder", 3, store.folder):
        store.merge([tmp_path / "missing"])
    (tmp_path / "empty").mkdir()
    with refusal(InputError, "holds no tuning files", 3, store.folder):
        store.merge([tmp_path / "empty"])


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with refusal(InputError, "choose another folder with --db", 3, tmp_path):
        Store(tmp_path / "file" / "db").append(KEY, trial("a", 0))
    with refusal(InputError, "is not a folder; choose another with --db", 3, tmp_path):
        Store(tmp_path / "file").files()
    assert os.environ["DELREC_DB"].startswith(os.devnull), "tests must not use a user's store"


def test_lines_are_json_that_anyone_can_read(store: Store) -> None:
    for line in filled(store).read_text().splitlines():
        mark, _, body = line.partition(" ")
        assert int(mark, 16) == zlib.crc32(body.encode())
        assert isinstance(json.loads(body), dict)


def test_a_full_disk_is_said_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with refusal(InputError, r"cannot write .*\.jsonl: No space left .*--db", 3, tmp_path):
        Store(tmp_path).append(KEY, {"ms": 1.0})


def test_a_disk_that_fills_up_leaves_the_records_of_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(store)
    before, write = path.read_bytes(), os.write

    def some(fd: int, raw: bytes) -> int:
        if len(raw) < 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, raw[:-8])

    monkeypatch.setattr(os, "write", some)
    with refusal(InputError, "No space left", 3):
        store.append(KEY, {"ms": 1.0})
    assert path.read_bytes() == before
