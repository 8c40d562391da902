"""The command line, as a user types it: results, JSON, exit codes, manners."""

import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import zipfile

import cases
import pytest
import typer
from fixtures.command import COMMAND, cli, ok, refused

import delrec_compile
from delrec_compile.cli import app
from delrec_compile.network import checkpoint

DOCTOR = importlib.import_module("delrec_compile.system.doctor")


@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (4, ("build", "--target", "x86_65"), "did you mean 'x86_64'?"),
        (4, ("build", "--numeric", "int4"), "allowed: float32"),
        (4, ("build", "--cpu", "zenver4"), "unknown CPU"),
        (2, ("build", "--unroll", "0"), "'--unroll'"),
        (2, ("export", "--unroll", "-1"), "'--unroll'"),
        (2, ("import", "a.nir", "-o", "a.safetensors", "--max-input", "0"), "--max-input 0"),
        (2, ("import", "a.nir", "-o", "a.safetensors", "--dt-ms", "-1"), "--dt-ms -1"),
        (3, ("build", "missing.safetensors"), "no such file"),
        (3, ("inspect", "conv_delay_265"), "did you mean 'conv_delay_256'?"),
        (2, ("export", "--form", "foreign"), "allowed: portable, semantic"),
        (3, ("run", "nothing"), "no such file"),
        (3, ("data", "info", "nothing.h5"), "no such file"),
    ],
)
def test_bad_input_is_one_line(code, arguments, words, tmp_path):
    assert words in refused(code, *arguments, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


REFUSED_IN_ONE_PROCESS = """
import contextlib, io, json, sys
from delrec_compile.cli import app
from delrec_compile.system import process
from delrec_compile.network import checkpoint
def refuse(*_, **__):
    raise AssertionError("a process is started")
process.Group.__init__ = refuse
told = []
for line in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = app._exit_code(line)
    loaded = [m for m in ("torch", "tvm", "onnxruntime", "jinja2") if m in sys.modules]
    told.append([code, said.getvalue(), loaded])
print(json.dumps(told))
"""


def test_a_refusal_loads_nothing_for_it(tmp_path):
    """No PyTorch, no TVM, no process, and no inputs drawn; in the order in which more is loaded."""
    for name in ("x.onnx", "x.pth", "x.nir", "x.h5"):
        (tmp_path / name).write_bytes(b"\x93 noise [")
    (tmp_path / "file").touch()
    with zipfile.ZipFile(tmp_path / "runs.pth", "w") as archive:
        archive.writestr("a/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
    checkpoint.save(cases.network("conv3"), tmp_path / "net.safetensors")
    to, out = ["build", "net.safetensors"], ["-o", "new.safetensors"]
    refusals = {
        "is not a complete ONNX file": ["build", "x.onnx"],
        "it is another kind of file": ["inspect", "x.onnx"],
        "it is no file of torch.save": ["import", "x.pth", *out],
        "it holds os.system, which is": ["import", "runs.pth", *out],
        "is not a readable NIR graph": ["import", "x.nir", *out],
        "nothing: no such file; an artifact's folder is": ["bench", "nothing"],
        "is not an intact HDF5 file": [*to, "-i", "x.h5"],
        "file is a file; choose another": [*to, "-o", "file/below"],
        "file is not an artifact": [*to, "-o", "file"],
        "unknown target 'nothing'": ["compare", "net.safetensors", "-t", "x86_64,nothing"],
        "nothing: no such file; an artifact's folder, a": ["report", "nothing"],
    }
    line = [sys.executable, "-c", REFUSED_IN_ONE_PROCESS, json.dumps([*refusals.values()])]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for (words, line), (code, said, loaded) in zip(
        refusals.items(), json.loads(done.stdout), strict=True
    ):
        assert words in said, line
        assert "random samples" not in said, line
        assert code in (3, 4), line
        assert set(loaded) <= ({"jinja2"} if line[0] in ("compare", "report") else set()), line


def test_usage_errors_are_exit_2():
    for arguments in (("bild",), ("build", "--nope"), ("run",)):
        done = cli(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert cli().returncode == 2


@pytest.mark.parametrize("place", range(3))
def test_debug_shows_the_traceback(place, tmp_path):
    arguments = ["inspect", "missing.safetensors"]
    arguments.insert(place, "--debug")
    done = cli(*arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def cpu_seconds(run):
    """CPU time of the processes that a call starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_fast_and_imports_nothing_heavy():
    bare = [sys.executable, "-c", "import typer"]
    ratios = []
    for _ in range(5):
        helps = cpu_seconds(lambda: ok("--help"))
        ratios.append(helps / cpu_seconds(lambda: subprocess.run(bare, check=True)))
    assert statistics.median(ratios) < 4
    heavy = ("torch", "tvm", "onnx", "numpy", "rich")
    code = f"import sys, delrec_compile.cli.app; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def written_to(output, *arguments, stderr=subprocess.PIPE):
    """The command with its standard output in a file, as a shell's `>` and `|` have it."""
    line = [*COMMAND, *arguments]
    return subprocess.run(line, stdout=output, stderr=stderr, text=True, timeout=60, check=False)


@pytest.fixture
def closed_pipe():
    """The writing end of a pipe whose reader left."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


OUTPUTS = [("--help",), ("--version",), ("targets",), ("targets", "--json"), ()]


@pytest.mark.parametrize("arguments", OUTPUTS)
def test_a_closed_pipe_is_no_error(arguments, closed_pipe):
    done = written_to(closed_pipe, *arguments)
    assert (done.returncode, done.stderr) == (0 if arguments else 2, "")


def test_a_closed_pipe_keeps_the_code_of_an_error(closed_pipe):
    done = written_to(closed_pipe, "inspect", "missing.safetensors", stderr=closed_pipe)
    assert done.returncode == 3


@pytest.mark.parametrize("arguments", OUTPUTS[:4])
def test_a_full_disk_is_one_line(arguments):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = written_to(full, *arguments)
    assert done.returncode == 3
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


def failing(monkeypatch, error):
    """Exit code of `doctor` in this process, where its first call raises."""

    def probe():
        raise error

    monkeypatch.setattr(DOCTOR, "doctor", probe)
    monkeypatch.setattr(sys, "argv", ["delrec-compile", "doctor"])
    with pytest.raises(SystemExit) as end:
        app.main()
    return end.value.code


def test_an_interrupt_is_one_line_and_exit_130(monkeypatch, capfd):
    assert failing(monkeypatch, KeyboardInterrupt()) == 130
    assert capfd.readouterr().err == "interrupted\n"


def test_a_pipe_that_is_not_the_output_is_an_error(monkeypatch, capfd):
    assert failing(monkeypatch, BrokenPipeError(32, "Broken pipe")) == 1
    assert "internal error: BrokenPipeError" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (PermissionError(13, "Permission denied", "a"), 3, "error: a: Permission denied"),
        (NotADirectoryError(20, "Not a directory", "a/b"), 3, "error: a/b: Not a directory"),
        (OSError(30, "Read-only file system", "a"), 3, "error: a: Read-only file system"),
        (OSError(9, "Bad file descriptor"), 1, "internal error: OSError"),
    ],
)
def test_a_file_that_may_not_be_written_is_no_internal_error(
    error, code, words, monkeypatch, capfd
):
    assert failing(monkeypatch, error) == code
    assert words in capfd.readouterr().err


def commands(group, path=()):
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


def test_every_command_has_both_names_of_help(monkeypatch, capsys):
    paths = list(commands(typer.main.get_command(app.app)))
    assert len(paths) > 20
    for path in paths:
        for name in ("-h", "--help"):
            monkeypatch.setattr(sys, "argv", ["delrec-compile", *path, name])
            with pytest.raises(SystemExit) as end:
                app.main()
            assert end.value.code == 0
            assert capsys.readouterr().out.startswith(
                f"Usage: {' '.join(['delrec-compile', *path])} "
            )


@pytest.mark.parametrize(
    "arguments", [("--version",), ("build", "--version"), ("db", "ls", "--version", "--json")]
)
def test_the_version_is_printed_wherever_it_is_asked_for(arguments):
    assert ok(*arguments) == f"delrec-compile {delrec_compile.__version__}\n"


def test_options_of_every_command_end_at_two_dashes():
    assert "no such file" in refused(3, "inspect", "--", "--version")
