"""The ONNX function of a Loihi neuron, and the limits of its states."""

from __future__ import annotations

import numpy as np

from delrec_compile.ops.nodes import Nodes

ONE, UNIT = 4096, 64  # parts of a state that a decay counts in; units of the states in 1
WRAP = np.float32(2.0**17)  # size of a current from which it wraps around
TOP = np.float32(2.0**17 - 1 / UNIT)  # largest membrane
ABOVE = np.nextafter(WRAP, np.float32(np.inf))  # smallest size of a broken state

NODE = "LoihiLif"
CONSTANTS = ("keep_i", "keep_v", "threshold", "v_bias")
NODES: Nodes = {NODE: (0, 1, 2)}

DECAYED = """{x}_size = Abs ({x})
    {x}_is_sound = Less ({x}_size, above)
    {x}_sound = Where ({x}_is_sound, {x}_size, zero)
    {x}_fine = Mul ({x}_sound, units)
    {x}_units = Floor ({x}_fine)
    {x}_parts = Mul ({x}_units, part)
    {x}_high = Floor ({x}_parts)
    {x}_whole = Mul ({x}_high, parts)
    {x}_low = Sub ({x}_units, {x}_whole)
    {x}_low_kept = Mul ({x}_low, keep_{x})
    {x}_low_parts = Mul ({x}_low_kept, part)
    {x}_low_left = Floor ({x}_low_parts)
    {x}_high_left = Mul ({x}_high, keep_{x})
    {x}_both = Add ({x}_high_left, {x}_low_left)
    {x}_new = Mul ({x}_both, unit)
    {x}_below = Less ({x}, zero)
    {x}_negative = Sub (zero, {x}_new)
    {x}_decayed = Where ({x}_below, {x}_negative, {x}_new)"""

ONNX = f"""
<domain: "ai.delrec", opset_import: ["" : 18]>
{NODE} (current, i, v, {", ".join(CONSTANTS)}) => (spikes, i_next, v_next)
{{
    zero = Constant <value_float: float = 0.0> ()
    one = Constant <value_float: float = 1.0> ()
    units = Constant <value_float: float = {UNIT}.0> ()
    unit = Constant <value_float: float = {1 / UNIT}> ()
    parts = Constant <value_float: float = {ONE}.0> ()
    part = Constant <value_float: float = {1 / ONE}> ()
    wrap = Constant <value_float: float = {WRAP}> ()
    round = Constant <value_float: float = {2 * WRAP}> ()
    above = Constant <value_float: float = {ABOVE:.6f}> ()
    top = Constant <value_float: float = {TOP:.6f}> ()
    bottom = Constant <value_float: float = -{TOP:.6f}> ()
    {DECAYED.format(x="i")}
    summed = Add (i_decayed, current)
    over = Less (wrap, summed)
    down = Sub (summed, round)
    lowered = Where (over, down, summed)
    risen = Neg (lowered)
    kept = Less (risen, wrap)
    up = Add (lowered, round)
    wrapped = Where (kept, lowered, up)
    size = Abs (wrapped)
    sound = Less (size, above)
    i_next = Where (sound, wrapped, zero)
    {DECAYED.format(x="v")}
    driven = Add (v_decayed, i_next)
    biased = Add (driven, v_bias)
    is_low = Less (biased, top)
    low = Where (is_low, biased, top)
    mirrored = Neg (low)
    is_high = Less (mirrored, top)
    m = Where (is_high, low, bottom)
    fires = Less (threshold, m)
    spikes = Where (fires, one, zero)
    v_next = Where (fires, zero, m)
}}
"""
