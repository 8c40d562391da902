"""The package's own names."""

from __future__ import annotations


def test_the_package_verbs_stay_functions():
    import delrec_compile.compiler.build
    import delrec_compile.runners.predict as _  # noqa: F401

    assert callable(delrec_compile.build)
    assert callable(delrec_compile.run)
    assert set(delrec_compile.__all__) <= set(dir(delrec_compile)) | set(delrec_compile.API)
    for name in delrec_compile.__all__:
        assert callable(getattr(delrec_compile, name)), name
