"""The child process: results and errors come back, and its death does not take the parent along."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.errors import CompilerCrash, DelrecError, NetworkError, UnsupportedError
from delrec_compile.system import child

HERE = "system.test_child"


def add(a: int, b: int) -> dict[str, int]:
    print("this is not the result")
    return {"sum": a + b, "pid": os.getpid()}


def refuse(kind: str) -> None:
    raise {"network": NetworkError, "unsupported": UnsupportedError}[kind](f"no {kind} here")


def die(signal_number: int) -> None:
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal_number)


def fail() -> None:
    raise RuntimeError("first line\nsecond line")


def leave(code: int) -> None:
    os._exit(code)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def babble() -> str:
    sys.stdout.buffer.write(b"\xff\xfe not text \n" * 100_000)
    return "done"


def origin() -> list[str]:
    from delrec_compile import errors

    return [str(Path.cwd()), str(errors.__file__)]


@pytest.fixture(autouse=True)
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_result_comes_back_from_another_process(own_temporary: Path) -> None:
    answer = child.call(f"{HERE}:add", a=2, b=3)
    assert answer["sum"] == 5
    assert answer["pid"] != os.getpid()
    assert list(own_temporary.iterdir()) == []


def test_errors_come_back_as_themselves(own_temporary: Path) -> None:
    with refusal(NetworkError, "^no network here$", 3, own_temporary):
        child.call(f"{HERE}:refuse", kind="network")
    with refusal(UnsupportedError, "^no unsupported here$", 4, own_temporary):
        child.call(f"{HERE}:refuse", kind="unsupported")


@pytest.mark.parametrize(
    ("number", "name"), [(11, "SIGSEGV"), (6, "SIGABRT"), (9, "SIGKILL"), (35, "35")]
)
def test_a_signal_is_a_compiler_crash(number: int, name: str, own_temporary: Path) -> None:
    with pytest.raises(CompilerCrash) as e:
        child.call(f"{HERE}:die", signal_number=number)
    assert e.value.exit_code == 9
    text = str(e.value)
    assert f"died with signal {name} (last words); its log: " in text
    assert "\n" not in text
    log = Path(text.split("its log: ")[1])
    assert log.read_text() == "last words\n"
    assert list(own_temporary.iterdir()) == [log]


def test_an_exception_of_a_compiler_is_a_crash_with_its_traceback_in_the_log() -> None:
    with pytest.raises(CompilerCrash, match=r"exit code 1 .*its log") as e:
        child.call(f"{HERE}:fail")
    assert "\n" not in str(e.value)
    assert "RuntimeError: first line" in Path(str(e.value).split("its log: ")[1]).read_text()
    with pytest.raises(CompilerCrash, match="exit code 3"):
        child.call(f"{HERE}:leave", code=3)
    with pytest.raises(CompilerCrash, match="no_such_function"):
        child.call(f"{HERE}:no_such_function")


def test_a_child_that_hangs_is_ended(own_temporary: Path) -> None:
    start = time.monotonic()
    with refusal(CompilerCrash, "took more than 1 s and was stopped", 9, own_temporary):
        child.call(f"{HERE}:sleep", seconds=60, timeout_s=1.0)
    assert time.monotonic() - start < 20


def test_output_that_is_no_text_does_no_harm() -> None:
    assert child.call(f"{HERE}:babble") == "done"


def test_files_of_the_working_folder_shadow_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "onnx.py", "delrec_compile.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong file was imported')\n")
    monkeypatch.chdir(tmp_path)
    folder, module = child.call(f"{HERE}:origin")
    assert folder == str(tmp_path)
    assert module == sys.modules["delrec_compile.errors"].__file__


def test_every_error_survives_the_way_back() -> None:
    from delrec_compile import errors

    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, DelrecError)]
    assert len(kinds) == 13
    codes = {kind.__name__: kind.exit_code for kind in kinds}
    for name, code in codes.items():
        assert f"{name} " in str(errors.__doc__)
        assert getattr(errors, name).exit_code == code
    assert set(codes.values()) == set(range(1, 10))


def waiting() -> str | None:
    return os.environ.get("OMP_WAIT_POLICY")


def test_threads_of_a_child_wait_without_spinning_unless_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert child.call(f"{HERE}:waiting") == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert child.call(f"{HERE}:waiting") == "active"
