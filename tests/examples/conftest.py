"""What the tests of examples share."""

from fixtures.examples import classified, follow, makers  # noqa: F401
