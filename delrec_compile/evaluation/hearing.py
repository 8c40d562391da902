"""The proof of an artifact from sound to class: its own code hears the bundled words."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.sounds import bundled_sounds
from delrec_compile.errors import ParityError, UnsupportedError
from delrec_compile.evaluation.claims.cost import MAC_PJ, cost
from delrec_compile.network import checkpoint
from delrec_compile.network.drive import firing_rates
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.runners.listening import (
    EmulatedListener,
    Heard,
    NativeListener,
    front_end_of,
    hear,
)
from delrec_compile.runners.open import artifact_runner
from delrec_compile.runners.session import Session

EMULATED_WORDS = 2


def heard(path: str) -> dict[str, Any]:
    """In a child: words through `<name>_frontend` and `<name>_listen` of the artifact.

    counts_differing: of the spikes of `data.front_end`. outputs_differing: of the network's, given those
    spikes. In an emulator: instructions per step, of the front end and of all of it, the deepest stack,
    and the share of a step that these take at the profile's clock, one cycle each. energy_nj: arithmetic
    of a step, an estimate. Raises UnsupportedError for a core whose emulator has no calls.
    """
    artifact = load_artifact(path)
    front, runner = front_end_of(artifact), artifact_runner(artifact)
    pcm = bundled_sounds().pcm
    if isinstance(runner, Session):
        listener: NativeListener | EmulatedListener = NativeListener(artifact, runner.library)
    elif isinstance(runner, EmulatedRunner):
        listener, pcm = EmulatedListener(artifact, runner.program), pcm[:EMULATED_WORDS]
    else:
        raise UnsupportedError(
            f"--with-frontend: code of {artifact.manifest.core} runs on an emulated board here, which "
            "takes no sound; choose another core, such as cortex_m33"
        )
    if not listener.self_test():
        raise ParityError(f"the self-test of the front end of {path} fails; build it again")
    found, want = hear(listener, front, pcm), front.encode(pcm)
    y = runner.outputs_of(np.ascontiguousarray(want.swapaxes(0, 1), np.float32)).swapaxes(0, 1)
    network = checkpoint.load(artifact.path / "network.safetensors")
    rates = (float((want != 0).mean()), *firing_rates(network, want)[0])
    return {
        "words": len(pcm),
        "steps": int(want.shape[1]),
        "spikes": int(want.sum(dtype=np.int64)),
        **_differing(found, want, y),
        **_cost(listener, artifact.manifest.clock_mhz, front),
        "energy_nj": {
            "front_end": front.products * MAC_PJ / 1e3,
            "network": cost(network, rates).energy_nj,
        },
    }


def _differing(found: Heard, want: Any, y: Any) -> dict[str, int]:
    return {
        "counts_differing": int((found.counts != want).sum()),
        "outputs_differing": int((found.y != y).sum()),
    }


def _cost(
    listener: NativeListener | EmulatedListener, clock_mhz: float | None, front: FrontEnd
) -> dict[str, Any]:
    if isinstance(listener, NativeListener):
        return {}
    spent = listener.cost
    worst = max(spent.all)
    return {
        "front_end_instructions": float(np.mean(spent.front_end)),
        "instructions": float(np.mean(spent.all)),
        "worst_instructions": worst,
        "stack_bytes": spent.stack_bytes,
        "estimated_share_of_dt": worst / clock_mhz / (1e3 * front.step_ms) if clock_mhz else None,
    }


def require_equal(result: dict[str, Any]) -> None:
    """Raises ParityError where spikes or outputs differ."""
    for what in ("counts", "outputs"):
        if result[f"{what}_differing"]:
            raise ParityError(
                f"from sound, {result[f'{what}_differing']} {what} of {result['words']} words differ "
                "from the definition's; report this"
            )


def line(result: dict[str, Any]) -> str:
    """What `heard` found."""
    text = (
        f"from sound: {result['words']} words, {result['spikes']:,} spikes of the front end, 0 differ, "
        "outputs equal"
    )
    if "instructions" in result:
        text += (
            f"; {result['instructions']:,.0f} instructions per step, "
            f"{result['front_end_instructions']:,.0f} of them the front end's"
        )
        if result["estimated_share_of_dt"]:
            text += (
                f", at most {result['estimated_share_of_dt']:.1%} of real time at one cycle each"
            )
    energy = result["energy_nj"]
    return (
        f"{text}; arithmetic of a step, an estimate: {energy['front_end']:,.0f} nJ the front end, "
        f"{energy['network']:,.0f} nJ the network"
    )
