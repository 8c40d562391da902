"""Recipes: the neurons of the published training scripts, and which of them saved a file.

A checkpoint has no constants of neurons. Its keys and shapes tell the script that saved it, or leave
several: then the user is asked. Named after repository, script and commit.

Sources: github.com/alexmaxad/DelRec (arXiv 2509.24852), github.com/luciozebendo/delrec_snn, its main
and its branch conv_delays at b80b9a2, a808d99 and 0c1f6bc (arXiv 2604.15997).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop.delrec.blocks import Block
from delrec_compile.interop.delrec.constants import Constants
from delrec_compile.interop.delrec.content import Content

SHD, SSC = "shd", "ssc"  # layouts; the scripts of PS-MNIST have that of SSC
ALIASES = (SHD, SSC)
SSC_STEP_MS = 1400 / 249  # 250 edges over 1.4 s
LATER_CONV_TAU = 1.1685654746037886


@dataclass(frozen=True)
class Recipe:
    """The neurons of one script.

    script: where it is published. plain, recurrent: neurons without and with a recurrence. readout:
    those of the last layer, which never fire, or None: the outputs are its currents. decision: how
    the script's test takes a class. sigma: spread of the delays in its last test. layout: SHD or SSC.
    kernel_length: steps of the kernels of forward delays, of a Dcls1d.
    """

    name: str
    script: str
    layout: str
    plain: Constants
    recurrent: Constants
    sigma: float
    dt_ms: float = 10.0
    kernel_length: int = 25

    @property
    def readout(self) -> Constants | None:
        return self.plain if self.layout == SHD else None

    @property
    def decision(self) -> str:
        return "softmax_sum" if self.layout == SHD else "sum"


def _own_lif(beta: float, fires: str = "at", reset: str = "hard") -> Constants:
    """Neurons of the later conv_delays code: their gain is 1 / tau, tau = 1 / (1 - beta + 1e-8)."""
    return Constants(beta, 1 - beta + 1e-8, fires, reset)


TAU_105 = Constants(1 - 1 / 1.05)
TAU_2 = Constants(0.5)
SOFT_2 = replace(TAU_2, reset="soft")
LATER = Constants(1 - 1 / LATER_CONV_TAU)
OWN_SSC = Constants(0.6065, reset="soft")
OWN_PSMNIST = Constants(0.60653, reset="soft")
FIRST_CONV, LATER_CONV = "delrec_snn b80b9a2", "delrec_snn a808d99, 0c1f6bc"

RECIPES = (
    Recipe("delrec-shd", "DelRec perf_SHD.py", SHD, TAU_105, TAU_105, 0.061),
    Recipe("delrec-equiparam-shd", "DelRec equiparam_SHD.py", SHD, TAU_2, TAU_2, 0.070),
    Recipe("delrec-ssc", "DelRec perf_SSC.py", SSC, SOFT_2, SOFT_2, 0.062, SSC_STEP_MS, 31),
    Recipe(
        "delrec-psmnist", "DelRec perf_PSMNIST.py", SSC, SOFT_2, SOFT_2, 0.061, kernel_length=31
    ),
    Recipe(
        "conv-delrec-shd",
        "delrec_snn 0c1f6bc run_shd.py",
        SHD,
        LATER,
        _own_lif(LATER.beta, fires="above"),
        0.58,
    ),
    Recipe(
        "conv-delrec-shd-a808d99",
        "delrec_snn a808d99 run_shd.py, 140 inputs",
        SHD,
        TAU_105,
        _own_lif(TAU_105.beta, fires="above"),
        0.061,
    ),
    Recipe(
        "conv-delrec-shd-b80b9a2",
        f"{FIRST_CONV} run_shd.py, 700 inputs",
        SHD,
        TAU_105,
        Constants(0.38583),
        0.061,
    ),
    Recipe(
        "conv-delrec-ssc",
        f"{LATER_CONV} run_ssc.py",
        SSC,
        SOFT_2,
        _own_lif(OWN_SSC.beta, reset="soft"),
        0.062,
        SSC_STEP_MS,
    ),
    Recipe(
        "conv-delrec-ssc-b80b9a2",
        f"{FIRST_CONV} run_ssc.py",
        SSC,
        SOFT_2,
        OWN_SSC,
        0.062,
        SSC_STEP_MS,
    ),
    Recipe(
        "conv-delrec-psmnist",
        f"{LATER_CONV} run_psmnist.py",
        SSC,
        SOFT_2,
        _own_lif(OWN_PSMNIST.beta, reset="soft"),
        0.061,
    ),
    Recipe(
        "conv-delrec-psmnist-b80b9a2",
        f"{FIRST_CONV} run_psmnist.py",
        SSC,
        SOFT_2,
        OWN_PSMNIST,
        0.061,
    ),
)
BY_NAME = {recipe.name: recipe for recipe in RECIPES}


def chosen_recipe(
    where: str, content: Content, blocks: list[Block], name: str | None, remarks: list[str]
) -> Recipe:
    """The recipe of this name, or the only one that a file can be of.

    where: the file, for messages. name: of a recipe, which is taken, with a remark where the file
    looks like another; `shd` or `ssc` is the one of that data set that fits, else DelRec's. Raises
    UsageError for an unknown name, and UnsupportedError where several recipes fit.
    """
    fitting = [
        r for layout in layouts_of(content, blocks) for r in fitting_in(layout, content, blocks)
    ]
    if name in ALIASES:
        own = [r for r in fitting if BY_NAME[r].layout == name]
        name, fitting = (None, own) if own else (f"delrec-{name}", fitting)
    if name in BY_NAME:
        if name not in fitting:
            remarks.append(f"the file looks like one of {' or '.join(fitting)}, not of {name}")
        return BY_NAME[name]
    if name is not None:
        raise UsageError(f"unknown recipe '{name}'; allowed: {', '.join(BY_NAME)}")
    if len(fitting) == 1:
        return BY_NAME[fitting[0]]
    listed = ", ".join(f"{r} ({BY_NAME[r].script})" for r in fitting)
    delays = ", nor the length of the kernels of its forward delays"
    told = delays if any(block.kernels is not None for block in blocks) else ""
    raise UnsupportedError(
        f"{where}: the file does not tell which neurons it was trained with{told}; choose a recipe "
        f"(--recipe): {listed}"
    )


def layouts_of(content: Content, blocks: list[Block]) -> list[str]:
    """The layouts that a file can have: by where its recurrences and BatchNorms stand."""
    told = {layout for block in blocks[:-1] if (layout := _layout(block))}
    if blocks[-1].decay is not None:  # its last neurons never fire
        return [SHD]
    if len(told) == 1:
        return [*told]
    if not told and not _has_recurrence(blocks):
        if "hidden_layers" in content.beside:
            return [SHD]
        if content.under == "model" or blocks[0].linear.inputs == 1:
            return [SSC]
        if not any(block.has_bias for block in blocks):
            return [SHD]
    return [SHD, SSC]


def _layout(block: Block) -> str:
    """The layout that a block tells, or an empty text.

    SHD: Linear, BatchNorm if there is one, neurons. SSC: Linear, Dropout, neurons, spikes, BatchNorm.
    """
    if block.norm is not None:
        return SSC if block.norm_is_behind else SHD
    between = block.neurons_at - block.at
    return {1: SHD, 2: SSC}.get(between, "")


def fitting_in(layout: str, content: Content, blocks: list[Block]) -> list[str]:
    """Names of the recipes of a layout that fit the recurrences of a file."""
    kernels = [
        b.recurrence["recurrent_kernel"] for b in blocks if "recurrent_kernel" in b.recurrence
    ]
    if layout == SSC:
        data = "psmnist" if blocks[0].linear.inputs == 1 else "ssc"
        if not kernels:
            return [f"delrec-{data}"]
        first = [] if kernels[0].ndim == 4 else [f"conv-delrec-{data}-b80b9a2"]
        return [f"conv-delrec-{data}", *first]
    if kernels:
        if kernels[0].ndim == 4:
            return ["conv-delrec-shd"]
        older = ["conv-delrec-shd-a808d99", "conv-delrec-shd-b80b9a2"]  # both with 3 taps
        told = kernels[0].ndim == 3 and kernels[0].size == 3
        return older if told else ["conv-delrec-shd", *older]
    norms = [block for block in blocks if block.norm]
    if not norms:
        sure = "hidden_layers" in content.beside or not any(block.has_bias for block in blocks)
        return ["delrec-equiparam-shd"] if sure else ["delrec-shd", "delrec-equiparam-shd"]
    wrapped = any(block.norm_key == "bn." for block in norms)  # as delrec_snn has it
    if wrapped and not _has_recurrence(blocks):
        return ["delrec-shd", "conv-delrec-shd"]
    return ["delrec-shd"]


def _has_recurrence(blocks: list[Block]) -> bool:
    return any(block.recurrence for block in blocks)
