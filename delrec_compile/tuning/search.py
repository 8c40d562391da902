"""The search of `tune`: TVM's MetaSchedule over our own template. Runs in a child process.

The module to tune stands for the step: one block that says what is computed by the digest of its
workload. The template samples every knob of the space and notes it on that block; the evaluator
knows what a note means. So a trace is a candidate, and a candidate a trace.

Proposals come from MetaSchedule's evolutionary search, with a mutation that changes one knob, and a
cost model that learns from every measurement which values of knobs, and which pairs of values, cost.
MetaSchedule's own builder and runner are not used: see `evaluator`.
"""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.system import tvm_loader

# TVM imports all its hardware intrinsics here, which takes 24 s and which no template of ours uses
_UNUSED = "tvm.s_tir.tensor_intrin"
sys.modules.setdefault(_UNUSED, types.ModuleType(_UNUSED))
tvm_loader.load()

import tvm  # noqa: E402
from tvm.ir.utils import derived_object  # noqa: E402
from tvm.s_tir import Schedule as TvmSchedule  # noqa: E402
from tvm.s_tir import meta_schedule as ms  # noqa: E402
from tvm.s_tir.meta_schedule.cost_model import PyCostModel  # noqa: E402
from tvm.s_tir.meta_schedule.mutator import PyMutator  # noqa: E402
from tvm.s_tir.meta_schedule.postproc import PyPostproc  # noqa: E402
from tvm.s_tir.meta_schedule.runner import RunnerResult  # noqa: E402
from tvm.script import tirx as T  # noqa: E402, N812

from delrec_compile.aliases import Numeric  # noqa: E402
from delrec_compile.tuning.space import Candidate, Space  # noqa: E402

BLOCK, NOTE = "step", "delrec."
BATCH = 8
POPULATION = 128
RIDGE = 1.0
FAILED = 1e9  # a ratio


class Search:
    """Proposes points, learns from their costs."""

    def __init__(
        self,
        knobs: dict[str, Sequence[Any]],
        shipped: Candidate,
        numeric: str,
        features: Sequence[str],
        workload: str,
        seed: int = 1,
    ) -> None:
        values = {name: tuple(choices) for name, choices in knobs.items()}
        self.space = Space(values, shipped, Numeric(numeric), tuple(features))
        self.module = _module(workload)
        self.model = _Model(self.space)
        self.database = ms.database.MemoryDatabase()
        self.workload = self.database.commit_workload(self.module)
        space = ms.space_generator.ScheduleFn(
            lambda sampled: _sample(self.space, sampled),
            sch_rules=[],
            postprocs=[_Allowed(self.space)],
            mutator_probs={_Mutation(np.random.default_rng(seed)): 1.0},
        )
        self.context = ms.TuneContext(
            self.module,
            target=tvm.target.Target({"kind": "llvm", "num-cores": 1}),
            space_generator=space,
            search_strategy=ms.search_strategy.EvolutionarySearch(
                population_size=POPULATION, init_min_unmeasured=BATCH
            ),
            num_threads=1,  # the template and the mutation are Python
            rand_state=seed,
        )
        self.proposed: list[Any] = []
        self.started = False

    def learn(self, candidates: list[Candidate], ratios: list[float | None]) -> None:
        """Learns from earlier measurements, before the first proposal. None: it failed."""
        for candidate, ratio in zip(candidates, ratios, strict=True):
            at = self.space.index(candidate)
            if at is not None and ratio is not None:
                sampled = TvmSchedule(self.module)
                _sample(self.space, sampled, at)
                self._commit(sampled, ratio)
                self.model.add(at, ratio)
        self.model.fit()

    def propose(self) -> list[Candidate]:
        """The next candidates to measure; empty when there is none left."""
        if not self.started:
            self.context.pre_tuning(1 << 30, BATCH, None, self.database, self.model)
            self.started = True
        self.proposed = list(self.context.generate_measure_candidates() or [])
        return [self.space.candidate(_values(self.space, c.sch)) for c in self.proposed]

    def report(self, ratios: list[float | None]) -> None:
        """Takes the ratios of the proposed candidates, in their order. None: it failed."""
        for measured, ratio in zip(self.proposed, ratios, strict=True):
            if ratio is not None:
                self._commit(measured.sch, ratio)
                self.model.add(_choices(self.space, measured.sch), ratio)
        self.model.fit()
        results = [RunnerResult([FAILED if r is None else r], None) for r in ratios]
        self.context.notify_runner_results(self.proposed, results)

    def _commit(self, sampled: Any, ratio: float) -> None:
        record = ms.database.TuningRecord(
            sampled.trace, self.workload, [ratio], self.context.target
        )
        self.database.commit_tuning_record(record)


def _module(workload: str) -> tvm.IRModule:
    @T.prim_func(s_tir=True)  # type: ignore[untyped-decorator]
    def step(x: T.Buffer((1,), "float32"), y: T.Buffer((1,), "float32")):  # type: ignore[no-untyped-def,valid-type]
        with T.sblock("step"):
            T.reads(x[0])
            T.writes(y[0])
            y[0] = x[0]

    named = step.with_attr("global_symbol", "main").with_attr(f"{NOTE}workload", workload)
    return tvm.IRModule({"main": named})


def _sample(space: Space, sampled: Any, decided: Sequence[int] | None = None) -> None:
    """The template: every knob is sampled, or takes what is decided, and is noted on the block."""
    block = sampled.get_sblock(BLOCK)
    for i, (name, values) in enumerate(space.knobs.items()):
        n = len(values)
        choice = sampled.sample_categorical(
            list(range(n)), [1 / n] * n, None if decided is None else decided[i]
        )
        sampled.annotate(block, NOTE + name, choice)


def _choices(space: Space, sampled: Any) -> list[int]:
    notes = sampled.get(sampled.get_sblock(BLOCK)).annotations
    return [int(notes[NOTE + name]) for name in space.knobs]


def _values(space: Space, sampled: Any) -> list[Any]:
    return [
        values[k] for values, k in zip(space.knobs.values(), _choices(space, sampled), strict=True)
    ]


@derived_object
class _Allowed(PyPostproc):  # type: ignore[misc]
    """Refuses invalid candidates, before anything is built."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space

    def _initialize_with_tune_context(self, context: Any) -> None:
        pass

    def apply(self, sampled: Any) -> bool:
        return self.space.allows(self.space.candidate(_values(self.space, sampled)))

    def clone(self) -> _Allowed:
        return _Allowed(self.space)


@derived_object
class _Mutation(PyMutator):  # type: ignore[misc]
    """Gives one knob another value."""

    def __init__(self, random: np.random.Generator) -> None:
        super().__init__()
        self.random = random

    def _initialize_with_tune_context(self, context: Any) -> None:
        pass

    def apply(self, trace: Any, _: Any) -> Any:
        sampled = [i for i in trace.insts if i.kind.name == "SampleCategorical"]
        one = sampled[self.random.integers(len(sampled))]
        n, old = len(one.attrs[0]), int(trace.get_decision(one))
        new = (old + 1 + int(self.random.integers(n - 1))) % n
        return trace.with_decision(one, new, True)

    def clone(self) -> _Mutation:
        return _Mutation(self.random)


@derived_object
class _Model(PyCostModel):  # type: ignore[misc]
    """log ratio = a weight per value of a knob and per pair of values, by ridge regression."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self.x: list[NDArray[np.float64]] = []
        self.y: list[float] = []
        self.weight: NDArray[np.float64] | None = None
        self.mean = 0.0

    def add(self, at: Sequence[int], ratio: float) -> None:
        self.x.append(self._features(at))
        self.y.append(math.log(ratio))

    def fit(self) -> None:
        if self.y:
            x, y = np.stack(self.x), np.array(self.y)
            self.mean = float(y.mean())
            # as many unknowns as measurements, not as features
            kernel = x @ x.T + RIDGE * np.eye(len(x))
            self.weight = x.T @ np.linalg.solve(kernel, y - self.mean)

    def _features(self, at: Sequence[int]) -> NDArray[np.float64]:
        one = np.concatenate(
            [np.eye(len(v))[k] for v, k in zip(self.space.knobs.values(), at, strict=True)]
        )
        pairs = np.outer(one, one)[np.triu_indices(len(one), 1)]
        return np.concatenate([one, pairs])

    def update(self, context: Any, candidates: Any, results: Any) -> None:
        """Does nothing: `Search.report` tells failures from slow candidates."""

    def predict(self, context: Any, candidates: Any) -> NDArray[np.float64]:
        """Higher is better, above 0."""
        if self.weight is None:
            return np.ones(len(candidates))
        x = np.stack([self._features(_choices(self.space, c.sch)) for c in candidates])
        return np.exp(-(x @ self.weight + self.mean))
