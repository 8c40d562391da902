"""The device-specific choices in how a step is computed; none of them changes its result."""

from __future__ import annotations

from dataclasses import dataclass, replace

from delrec_compile.errors import UnsupportedError

LISTS = ("compress", "words", "movemask", "table", "multiply", "scan", "branch", "ballot")
ROWS = ("float32", "units", "pairs", "joined")
PAIRED = ROWS[2:]
DOUBLING = ("sqrdmulh", "vqrdmulh")
BYTES = ("wide", "narrow", "biased", "words", "memory")
LEAKS = ("wide", "halves", *DOUBLING)
TAPS = ("scatter", "planes")
SYNAPSES = ("pull", "push")
SILENT = ("skipped", "subtracted")
LINES = ("ring", "history")
SUMS = ("all", "changes")
VNNI = 16  # lanes of a device whose pairs are added by VNNI
VECTOR = 4  # minimum lanes of a device with vectors
PAIRED_LANES = (4, 8, VNNI)
HALVED_LANES = (8, 16)
NARROW_LANES = 16  # bits of a plane that 16-bit lanes look at
# lists made from the mask of whole bytes of neurons
MASKS = (("compress", 16), ("words", 16), ("movemask", 8))
WORD = 32  # neurons in a word of a bit plane
MASK_WORD = 64  # and in one that is listed at once


@dataclass(frozen=True)
class Schedule:
    """The choices of a device, from its target profile. Raises UnsupportedError for invalid ones.

    lanes: float32 lanes of a vector, or the maximum of threads in a GPU's block; a power of two.
    registers: accumulators that stay in registers across row sums.
    events: method of building an event list. `compress` packs indices with the device's vector compress,
    block by block; `words` (16 lanes, AVX-512 BITALG) does so with the mask words of 64 elements;
    `movemask` (SSE, AVX), `table` and `multiply` look up the places of a block's mask in a table, whose
    bits a sum of lanes brings together, or, where no instruction adds lanes, a multiplication;
    `scan` appends one at a time without branches, `branch` with one: for cores that lose nothing by
    a branch, where it skips the work that silence does not need. `ballot` is the vote of a GPU's
    warps.
    rows: storage and addition of weight rows. `float32`; or, where a layer's weights are whole
    numbers of a power-of-two unit, `units`: integers of 16 bits, or of 32 where a table does not fit
    16, added in 32 bits. `pairs`
    are units of two blocks side by side, for a device that multiplies and adds pairs in one
    instruction (VNNI with 16 lanes, AVX2 with 8, SSE with 4). `joined` are `pairs`, of which those of
    spikes without a delay, in float32 networks, are added as `ops.joined_rows`. The sums are the same
    bits.
    bytes: method of adding rows in int8 mode. `wide`, in 32 bits each, or as `pairs` of four blocks;
    `narrow`, as `wide`, but rows with counts in 16 bits, part by part, as `ops.counted_rows`, and
    kernels of `planes` chosen in 16 bits, up to 16 lanes;
    `biased`, where 16 bits hold the sums, as bytes without a sign, two neurons to a word; `words`, four
    at a time in two 32-bit words, for cores without vectors; `memory`, in C text tile by tile in 16
    bits, part by part, for Helium (MVE), and other rows in 32 bits each in memory, row after row: loops
    that a C compiler turns into vector instructions.
    leak: method of multiplying an integer membrane. `wide`, in 32 bits; `halves`, by the 16-bit
    multiplications of AVX2 (8 lanes) and AVX-512 (16 lanes); `sqrdmulh` (64-bit ARM) and `vqrdmulh`
    (32-bit ARM), by that instruction of NEON.
    taps: method of adding a conv recurrence. `scatter`: each arriving spike adds the kernel around its
    place; `planes`: each neuron adds the taps whose bits are set, for devices with vectors.
    line: memory of axonal delays. `ring`: a spike sets a bit in the plane of the step at which it
    arrives; `history`: a step's spikes are a plane, and the planes of a delay line that is not long are
    read under masks of the neurons with each delay. For lists by `compress` with 16 lanes, or `movemask`
    with 8.
    synapses: method of adding synapses that have a delay each. `pull`: a step looks at the spikes of
    every step that a delay reaches back to, and its memory is their bits. `push`: a spike adds its
    weights to a ring of the currents to come, some 32 times that memory, and faster.
    silent: rows of neurons that do not spike. `skipped`: a sum adds the rows of those that do;
    `subtracted`: where more than half do, it takes the rows of the others off the sum of all, which is
    a table. For sums of integers in registers.
    sums: rows that are added in a sequence, of what fires without a delay. `all`, those of the active
    neurons; `changes`, those of the neurons that became active since the step before, without those
    that no longer are, to the sum of that step, where they are fewer: of sums in whole numbers, and
    lists by `words`.
    chunk: number of steps of a sequence that go through a layer at a time, in tiles of `tile`
    accumulators, whose weights stay in the nearest cache; a kernel of machine code that goes step by
    step then is one step, which the C around it calls for each. 0: sequences go step by step.
    together: number of steps of a sequence, 1 or 2, that read the rows of the union of their inputs at a
    time, where rows of 16 bits are interleaved; where rows of bytes are, steps are apart, but two read
    all rows at a time where most of them have an event.
    ahead: number of chunks, 0 or 1, that a sequence fetches inputs ahead from memory; for LLVM.
    words, neurons: number of words of a row of bytes, with the neurons of their sums, and of neurons
    whose currents lie in memory, unrolled in one iteration of a loop: more are faster, and more code.
    """

    lanes: int = 8
    registers: int = 8
    events: str = "scan"
    rows: str = "float32"
    bytes: str = "wide"
    leak: str = "wide"
    taps: str = "scatter"
    line: str = "ring"
    synapses: str = "pull"
    silent: str = "skipped"
    words: int = 2
    neurons: int = 2
    sums: str = "all"
    chunk: int = 0
    tile: int = 4
    together: int = 1
    ahead: int = 0

    def __post_init__(self) -> None:
        for name in ("lanes", "registers", "tile"):
            value = getattr(self, name)
            if value < 1 or value & (value - 1):
                raise UnsupportedError(f"schedule: {name} = {value}; a power of two is required")
        for name in ("words", "neurons"):
            if getattr(self, name) < 1:
                raise UnsupportedError(
                    f"schedule: {name} = {getattr(self, name)}; 1 or more is required"
                )
        for name, numbers in (("together", (1, 2)), ("ahead", (0, 1))):
            if (value := getattr(self, name)) not in numbers:
                raise UnsupportedError(
                    f"schedule: {name} = {value}; allowed: {', '.join(map(str, numbers))}"
                )
        for name, allowed in (
            ("events", LISTS),
            ("rows", ROWS),
            ("bytes", BYTES),
            ("leak", LEAKS),
            ("taps", TAPS),
            ("line", LINES),
            ("synapses", SYNAPSES),
            ("silent", SILENT),
            ("sums", SUMS),
        ):
            if getattr(self, name) not in allowed:
                raise UnsupportedError(
                    f"schedule: {name} = '{getattr(self, name)}'; allowed: {', '.join(allowed)}"
                )
        self._refuse_together()

    def _refuse_together(self) -> None:
        """Raises UnsupportedError for fields that do not go together."""
        if self.rows in PAIRED and (self.lanes not in PAIRED_LANES or self.registers < 4):
            raise UnsupportedError(
                f"schedule: rows = '{self.rows}' needs lanes of 4, 8 or 16, and registers of 4 or more"
            )
        if self.taps == "planes" and any(self.lanes * t % WORD for t in self.tiles):
            raise UnsupportedError(
                f"schedule: taps = 'planes' needs tiles of whole words of {WORD} neurons; lanes times "
                f"registers, and times tile, is {', '.join(str(self.lanes * t) for t in self.tiles)}"
            )
        if self.events == "words" and (self.lanes != VNNI or any(t % 4 for t in self._shares)):
            raise UnsupportedError(
                f"schedule: events = 'words' needs 16 lanes and tiles of whole words of {MASK_WORD} "
                f"neurons; lanes is {self.lanes}, accumulators of a step are "
                f"{', '.join(map(str, self._shares))}"
            )

    @property
    def _shares(self) -> list[int]:
        """Accumulators of one step of a tile, in each of its kernels."""
        return [self.registers, *([self.tile // self.together] if self.chunk else [])]

    def lists_words(self, n: int) -> bool:
        """Whether a population of n neurons is listed by mask words."""
        return self.events == "words" and n % MASK_WORD == 0

    @property
    def kernels(self) -> tuple[str, ...]:
        """Kernels to compile: `run` goes step by step, `trace` writes the spikes too."""
        return ("run", "trace", "sequence") if self.chunk else ("run", "trace")

    def of(self, kernel: str) -> Schedule:
        """The schedule to emit a kernel with."""
        own = self if self.biases or self.bytes != "biased" else replace(self, bytes="wide")
        if kernel == "sequence":
            return replace(own, registers=self.tile)
        return own

    def group(self, bits: int) -> int:
        """Number of interleaved blocks of weights with so many bits."""
        pairs = self.rows in PAIRED and (bits == 16 or (bits == 8 and self.lanes == VNNI))
        return 32 // bits if pairs else 1

    def inputs(self, bits: int, outputs: int, max_count: int) -> int:
        """Number of interleaved input rows: weights of so many bits, counts up to `max_count`.

        Four of 8 bits, two of 16.
        """
        if self.rows not in PAIRED or bits == 32 or outputs % self.lanes or max_count >= 1 << 15:
            return 1
        return 4 if bits == 8 and max_count < 1 << 8 and self.lanes == VNNI else 2

    @property
    def tiles(self) -> list[int]:
        """Accumulators of a tile, in each of its kernels."""
        return [self.registers, *([self.tile] if self.chunk else [])]

    @property
    def halves(self) -> bool:
        """Whether integer membranes are multiplied in 16 bits."""
        return self.leak == "halves" and self.lanes in HALVED_LANES

    @property
    def doubles(self) -> bool:
        """Whether integer membranes are multiplied by NEON's doubling product."""
        return self.leak in DOUBLING

    @property
    def biases(self) -> bool:
        """Whether rows of int8 that are added in 16 bits are bytes without a sign."""
        return self.bytes == "biased" and self.narrows and min(self.tiles) >= VECTOR

    @property
    def parts(self) -> bool:
        """Whether rows of int8 with counts are added in 16 bits, part by part, and kernels chosen so."""
        return self.bytes == "narrow" and self.narrows and self.lanes <= NARROW_LANES

    @property
    def masks(self) -> bool:
        """Whether an axonal delay line that is not long is history."""
        return self.line == "history" and self.marks

    @property
    def marks(self) -> bool:
        """Whether lists are made from the mask of whole bytes of neurons."""
        return (self.events, self.lanes) in MASKS

    @property
    def subtracts(self) -> bool:
        """Whether sums of integers may be made of the rows of silent neurons."""
        return self.silent == "subtracted"

    @property
    def joins(self) -> bool:
        """Whether rows of spikes are `ops.joined_rows`, where a table fits 16 bits."""
        return self.rows == "joined"

    @property
    def changes(self) -> bool:
        """Whether sums of a sequence are made from what changed."""
        return self.sums == "changes" and self.events == "words"

    @property
    def narrows(self) -> bool:
        """Whether rows of int8 that count 1 are added in 16 bits."""
        return self.rows != "float32" and self.lanes >= VECTOR

    def order(self, n: int, bits: int) -> list[int]:
        """The output at each place of a row of n weights with so many bits."""
        size = self.group(bits) * self.lanes
        full = n // size * size
        out = [
            at + q + block
            for at in range(0, full, size)
            for q in range(self.lanes)
            for block in range(0, size, self.lanes)
        ]
        return [*out, *range(full, n)]
