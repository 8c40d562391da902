"""Old names of keyword arguments."""

from __future__ import annotations

import inspect
import warnings

import pytest

from delrec_compile.system.renamed import renamed_arguments


@renamed_arguments(words="samples")
def run(path: str, samples: str = "samples") -> tuple[str, str]:
    """Runs."""
    return path, samples


def test_the_old_name_is_taken_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match=r"run\(\): 'words' is now 'samples'"):
        assert run("a", words="b.npz") == ("a", "b.npz")  # type: ignore[call-arg]


def test_the_new_name_does_not_warn_and_the_signature_stays() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run("a", samples="b.npz") == ("a", "b.npz")
        assert run("a", "b.npz") == ("a", "b.npz")
    assert list(inspect.signature(run).parameters) == ["path", "samples"]
    assert run.__doc__ == "Runs."


def test_both_names_are_refused() -> None:
    with pytest.raises(TypeError, match="'samples' and 'words', its old name"):
        run("a", samples="b", words="c")  # type: ignore[call-arg]
