"""Sums of what comes into a population without a delay, made before the rest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from delrec_compile.compiler.kernels.finish import StoreSums
from delrec_compile.compiler.kernels.input_lists import InputLists
from delrec_compile.compiler.kernels.nodes import Edge
from delrec_compile.compiler.kernels.real_inputs import is_kept, takes_input
from delrec_compile.compiler.kernels.step_inputs import Incoming, StepInputs
from delrec_compile.ops import linear, silent_rows
from delrec_compile.ops.linear import Rows
from delrec_compile.ops.masked_history import MaskedHistory


class FeedSums(InputLists):
    """The part of a composer that sums undelayed projections."""

    tables: dict[str, Any]
    shared: Mapping[str, str]

    @abstractmethod
    def edge_buffers(self, i: int, edge: Edge) -> Callable[[str], Any]:
        """Tables and state of a projection into node i, by local name."""

    @abstractmethod
    def rows(self, i: int, edge: Edge, incoming: Incoming) -> Rows:
        """Weight rows of an undelayed projection into node i."""

    @abstractmethod
    def sum_type(self, i: int) -> str:
        """dtype of the sums of node i."""

    def turns(self, i: int) -> bool:
        """Whether the list of the spikes of node i may become that of its silent neurons.

        What reads it then are sums of rows that have a table of totals.
        """
        name, read = self.nodes[i].name, 0
        for node in self.nodes:
            for edge in node.edges:
                if edge.source != name or edge.first or isinstance(edge.line, MaskedHistory):
                    continue
                total = f"{node.prefix}{edge.prefix}weight{silent_rows.TOTAL}"
                if not edge.in_rows or (total not in self.tables and total not in self.shared):
                    return False
                read += 1
        return read > 0 and self.nodes[i].places is None

    def turn(self, i: int, spikes: Any) -> None:
        """Lists the silent neurons of node i where they are fewer; its spikes were sent and recorded."""
        if self.turns(i):
            silent_rows.turn(self.e, spikes, self.nodes[i].size)

    def total_of(self, i: int, edge: Edge, events: Any, rows: str = "weight") -> Any:
        """The sum of all rows of a projection into node i, where the list of its events turns."""
        return self.edge_buffers(i, edge)(rows + silent_rows.TOTAL) if events.turns else None

    def hoists(self, i: int) -> bool:
        """Whether undelayed projections of node i can be summed for many steps at once."""
        feeds = self.nodes[i].feeds
        return bool(feeds) and all(edge.in_rows for edge in feeds)

    def keeps(self, i: int) -> bool:
        """Whether sums of node i that were hoisted are made anew only where the inputs changed."""
        return self.real is not None and self.hoists(i) and is_kept(self.nodes[i])

    def keeps_sums(self, i: int) -> bool:
        """Whether sums of the undelayed maps of the input into node i are made before the rest."""
        return is_kept(self.nodes[i])

    def sum_inputs(self, i: int, incoming: Incoming | None, to: Any) -> None:
        """Sums of the undelayed maps of the input into node i, stored."""
        node = self.nodes[i]
        now = StepInputs([incoming if takes_input(edge) else None for edge in node.edges])
        start, rows = self.mapped_feeds(i, now), self.feed_rows(i, now)
        after, before = (rows[0], rows[1:]) if rows else (None, [])
        sums = linear.Sums(self.sum_type(i), StoreSums(self.e, to, 0), after, before, None, start)
        linear.emit(self.e, node.size, lambda _: sums)

    def mapped_feeds(self, i: int, now: StepInputs) -> list[Any]:
        """Currents of the undelayed convolutions of node i, summed event by event."""
        return []

    def sum_feeds(
        self,
        i: int,
        step_inputs: Callable[[Any], StepInputs],
        to: Any,
        steps: Any,
        unchanged: Any = None,
    ) -> Any:
        """Sums of the undelayed projections of node i at all steps, stored step after step in `to`.

        unchanged: marks of the steps whose sums are those of the step before; None: there is none.
        Returns where they begin: sums made from changes have a row of zeros before them.
        """
        n = self.nodes[i].size
        before = to
        if self.takes_changes(i):
            self._clear(to, n)
            if self.has_totals(i):
                self._store_totals(i, self.e.view(to, (self.e.schedule.chunk + 1) * n, n))
            to = self.e.view(to, n, n)

        def sums(s: Any) -> linear.Sums:
            now = step_inputs(s)
            one, *others = self.feed_rows(i, now)
            start = [self.e.view(before, own.since * n, n) for own in now.changes]
            store = StoreSums(self.e, to, s * n)
            return linear.Sums(self.sum_type(i), store, one, others, None, start)

        def kept(s: Any) -> tuple[Any, Any]:
            return unchanged[s] != 0, self.e.view(to, (s - 1) * n, n)

        if unchanged is not None:
            linear.emit(self.e, n, sums, steps, kept)
        else:
            together, crowded = self.steps_together(i), self.crowds(i)
            linear.emit(self.e, n, sums, steps, together=together, crowded=crowded)
        return to

    def takes_changes(self, i: int) -> bool:
        """Whether the undelayed sums of node i are made in a sequence from what changed.

        Of one projection, from a population listed by mask words, in whole numbers.
        """
        feeds = self.nodes[i].feeds
        if not self.e.schedule.changes or len(feeds) != 1 or self.sum_type(i) != "int32":
            return False
        names = [node.name for node in self.nodes]
        sender = feeds[0].source
        return feeds[0].in_rows and sender in names and self.lists_words(names.index(sender))

    def lists_words(self, i: int) -> bool:
        """Whether the spikes of node i are listed by mask words."""
        node = self.nodes[i]
        return node.fires and node.places is None and self.e.schedule.lists_words(node.size)

    def has_totals(self, i: int) -> bool:
        """Whether there is a table of the sum of all rows of node i, which takes changes."""
        name = self.nodes[i].prefix + self.nodes[i].feeds[0].prefix + "weight" + silent_rows.TOTAL
        return name in self.tables or name in self.shared

    def _store_totals(self, i: int, to: Any) -> None:
        table = self.edge_buffers(i, self.nodes[i].feeds[0])("weight" + silent_rows.TOTAL)
        for at, lanes in self.e.blocks(self.nodes[i].size):
            self.e.store(to, at, lanes, self.e.load(table, at, lanes))

    def _clear(self, to: Any, n: int) -> None:
        for at, lanes in self.e.blocks(n):
            self.e.store(to, at, lanes, self.e.zero("int32", lanes))

    def steps_together(self, i: int) -> int:
        """Steps of a sequence whose undelayed sums of node i are made at a time."""
        return self.together if self._is_fed_alone(i) else 1

    def crowds(self, i: int) -> bool:
        """Whether two steps of a sequence read all rows together where most inputs are active: bytes."""
        return self._is_fed_alone(i) and self.group == 4 and self.e.schedule.together == 2

    def _is_fed_alone(self, i: int) -> bool:
        """Whether nothing but the input comes into node i without a delay."""
        feeds = self.nodes[i].feeds
        return len(feeds) == 1 and feeds[0].of_input and feeds[0].in_rows

    def feed_rows(self, i: int, now: StepInputs) -> list[Rows]:
        """Weight rows of the undelayed projections of node i that have them."""
        pairs = zip(self.nodes[i].edges, now.of_edges, strict=True)
        return [self.rows(i, edge, incoming) for edge, incoming in pairs if edge.in_rows]
