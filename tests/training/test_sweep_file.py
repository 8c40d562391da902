"""The runs of a sweep's TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.errors import InputError, UsageError
from delrec_compile.training.sweep_file import Run, read


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def brief(runs: tuple[Run, ...]) -> dict[str, tuple[int, float, int]]:
    return {run.name: (run.config.hidden, run.config.lr, run.config.seed) for run in runs}


def test_lists_become_every_combination(tmp_path: Path) -> None:
    path = written(tmp_path, "hidden = 8\n[sweep]\nlr = [0.1, 1]\nseed = [0, 1]\n")
    assert brief(read(path)) == {
        "lr=0.1 seed=0": (8, 0.1, 0),
        "lr=0.1 seed=1": (8, 0.1, 1),
        "lr=1.0 seed=0": (8, 1.0, 0),
        "lr=1.0 seed=1": (8, 1.0, 1),
    }


def test_runs_of_their_own_meet_each_combination(tmp_path: Path) -> None:
    text = '[sweep]\nseed = [0, 1]\n[[run]]\nname = "wide"\nhidden = 9\n[[run]]\nhidden = 3\n'
    assert list(brief(read(written(tmp_path, text)))) == [
        *("wide seed=0", "wide seed=1", "hidden=3 seed=0", "hidden=3 seed=1"),
    ]
    assert list(brief(read(written(tmp_path, "hidden = 3\n")))) == ["base"]
    assert list(brief(read(written(tmp_path, '[[run]]\nname = "a"\n')))) == ["a"]


def test_folds_stand_beside_the_options(tmp_path: Path) -> None:
    runs = read(written(tmp_path, "[sweep]\nfold = [0, 1]\n"))
    assert [(run.name, run.fold) for run in runs] == [("fold=0", 0), ("fold=1", 1)]
    (run,) = read(written(tmp_path, "hidden = 2\n"), fold=2)
    assert run.fold == 2


def test_later_options_replace_earlier_ones(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("hidden = 1\nlr = 0.1\nseed = 1\nepochs = 1")
    path = written(tmp_path, "hidden = 2\nlr = 0.2\nepochs = 2\n[sweep]\nseed = [2]\n")
    (run,) = read(path, ["lr=0.3"], recipe, epochs=4, hidden=None)
    assert brief((run,)) == {"seed=2": (2, 0.3, 2)}
    assert run.config.epochs == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hiden = 1", "no option 'hiden'; did you mean 'hidden'"),
        ("sweep = 3", r"\[sweep\] is a table of lists"),
        ("[sweep]\nlr = 0.1", r"lr in \[sweep\] is 0.1; a list of values is required"),
        ("[sweep]\nlr = []", "a list of values is required"),
        ("[sweep]\nlr = ['a']", "lr is 'a'; a number is required"),
        ("[sweep]\nseeed = [1]", "no option 'seeed'; did you mean 'seed'"),
        ("run = [1]", r"each run is a table of options under \[\[run\]\]"),
        ("[run]\nlr = 1", "each run is a table of options"),
        ("[[run]]\nname = 1", "run 1: the name is 1; text is required"),
        ("[[run]]\nhidden = 'a'", "run 1: hidden is 'a'; an integer is required"),
        ("[[run]]\nname = 'a'\n[[run]]\nname = 'a'", "2 runs named a; give each its own name"),
        ("[sweep]\nlr = [1]\n[[run]]\nlr = 2", r"gives lr in \[sweep\] and in a \[\[run\]\]"),
        ("[sweep]\nepochs = [1, 0]", "run epochs=0: epochs is 0"),
        ("seed = [", "is not valid TOML"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with refusal(UsageError, f"^--sweep {tmp_path}/sweep.toml.*{message}", 2):
        read(written(tmp_path, text))


def test_an_option_is_given_once(tmp_path: Path) -> None:
    path = written(tmp_path, "[sweep]\nseed = [2]\n[[run]]\nlr = 1")
    for options in ({"seed": 1}, {"options": ["lr=0.1"]}):
        with refusal(UsageError, "and so does the command line; omit it in one of them", 2):
            read(path, **options)
    with refusal(InputError, "--sweep .*nosuch.toml cannot be read: No such file", 3):
        read(tmp_path / "nosuch.toml")
