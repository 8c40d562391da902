"""The result of `compare`: rows, baselines, missed budgets, and the error that sums them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from delrec_compile.errors import DelrecError
from delrec_compile.evaluation.compare.budgets import Miss

# no emulator here counts cycles: an estimate of time takes every instruction for one
CYCLES_PER_INSTRUCTION = 1.0
# exit codes of failed rows, the most severe first; a missing tool or mode is no failure
SEVERITY = (6, 7, 9, 8, 3, 1)


@dataclass(frozen=True)
class TargetRow:
    """A target with a numeric mode; None where a figure is not known.

    how: native, emulated or device; engine: its name. us_per_step: measured here.
    estimated_us: mean instructions at the clock of the profile, CYCLES_PER_INSTRUCTION each; and
    estimated_worst_us the most.
    share_of_dt: of a time step of the network. ratio_to_pytorch: how many times faster than eager
    PyTorch, native only. skipped: why it was not run, and how to install what it lacks. failed: the
    error. ram_bytes: without stack. reused: whether the artifact was there before.
    """

    target: str
    numeric: str
    how: str | None = None
    engine: str | None = None
    us_per_step: float | None = None
    instructions_per_step: float | None = None
    worst_instructions: int | None = None
    clock_mhz: float | None = None
    estimated_us: float | None = None
    estimated_worst_us: float | None = None
    share_of_dt: float | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    stack_bytes: int | None = None
    library_bytes: int | None = None
    ratio_to_pytorch: float | None = None
    check: dict[str, Any] | None = None
    skipped: str | None = None
    failed: str | None = None
    exit_code: int = 0
    artifact: str | None = None
    reused: bool = False

    @property
    def name(self) -> str:
        return f"{self.target} {self.numeric}"


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    rows: in the order of the request. baselines: PyTorch and ONNX Runtime, timed in the run of the
    native rows. misses: budgets that a row is over. unjudged: budgets that a row could answer and did
    not, each as one line. unanswered: budgets without a figure in any row.
    """

    network: str
    dt_ms: float
    rows: tuple[TargetRow, ...]
    baselines: tuple[dict[str, Any], ...]
    misses: tuple[Miss, ...]
    unjudged: tuple[str, ...]
    unanswered: tuple[str, ...]
    workload: dict[str, Any] | None
    machine: dict[str, str]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Comparison:
        """The inverse of `as_dict`. Raises KeyError, TypeError, or ValueError without rows."""
        rows = tuple(TargetRow(**row) for row in raw["rows"])
        if not rows:
            raise ValueError("no rows")
        misses = tuple(Miss(**miss) for miss in raw["misses"])
        lines = (tuple(raw["unjudged"]), tuple(raw["unanswered"]))
        peers, about = tuple(raw["peers"]), (raw["workload"], raw["machine"])
        return cls(raw["network"], raw["dt_ms"], rows, peers, misses, *lines, *about)

    def as_dict(self) -> dict[str, Any]:
        fields = asdict(self)
        fields["peers"] = fields.pop("baselines")  # the key of the JSON format
        return {
            **fields,
            "cycles_per_instruction": CYCLES_PER_INSTRUCTION,
            "passed": self.error() is None,
        }

    def error(self) -> DelrecError | None:
        """The error behind the exit code: parity first, then budgets, then the rest.

        A row without its tools counts only where no row was left, or no answer to a budget.
        """
        for code in SEVERITY:
            text = self._failures(code)
            if text:
                return _of_code(code)(text)
        skipped = [r for r in self.rows if r.skipped]
        code = max((r.exit_code for r in skipped), default=2)
        if self.unanswered:
            why = f": {skipped[0].name} was skipped ({skipped[0].skipped})" if skipped else ""
            return _of_code(code)(f"nothing answers {', '.join(self.unanswered)}{why}")
        if len(skipped) == len(self.rows):
            more = f" and {len(skipped) - 1} more" if len(skipped) > 1 else ""
            return _of_code(code)(f"every target was skipped: {_mended(skipped, code)}{more}")
        return None

    def _failures(self, code: int) -> str:
        failed = [r for r in self.rows if r.failed and r.exit_code == code]
        parts = [f"{r.name}: {r.failed}" for r in failed]
        if code == 7 and self.misses:
            missed = ", ".join(f"{m.option} by {m.target} {m.numeric}" for m in self.misses)
            parts.append(f"budget missed: {missed}")
        return "; ".join(parts)


def _of_code(code: int) -> type[DelrecError]:
    """The first class of the error tree with an exit code."""
    classes = [e for e in DelrecError.__subclasses__() if e.exit_code == code]
    return classes[0] if classes else DelrecError


def _mended(rows: Sequence[TargetRow], code: int) -> str:
    row = next(r for r in rows if r.exit_code == code)
    return f"{row.name}: {row.skipped}"
