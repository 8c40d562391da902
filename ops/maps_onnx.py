"""ONNX functions of maps: `Maps`, and one for each kind of what few convolutions have.

`DilatedMaps` spreads the taps; `PeakMaps` takes the largest sum of windows, `CroppedMaps` leaves out the
last rows and columns. The two together are `CroppedPeakMaps`.
"""

from __future__ import annotations

KINDS = ("Maps", "DilatedMaps", "CroppedMaps", "PeakMaps", "CroppedPeakMaps")


# x (batch, C * height * width), kernel (O, C / group, rows, columns), bias (O,);
# map_shape: 0, C, height, width. used: rows and columns of the maps that are not cropped.
# peak: size of the windows over the sums of which the largest is taken
def onnx_function(kind: str) -> str:
    """The text of the ONNX function of a kind of KINDS."""
    names, more, crop, pool = ["pads", "strides", "map_shape", "group"], "", "", ""
    seen, current = "map", "mixed"
    if kind != "Maps":
        names, more = [*names, "dilations"], "dilations: ints = @dilations, "
    if "Cropped" in kind:
        names, seen = [*names, "used"], "seen"
        crop = """
    first = Constant <value: tensor = int64[2] {0, 0}> ()
    used = Constant <value_ints: ints = @used> ()
    axes = Constant <value: tensor = int64[2] {2, 3}> ()
    seen = Slice (map, first, used, axes)"""
    if "Peak" in kind:
        names = [*names, "peak", "peak_pads", "peak_strides", "peak_dilations"]
        current = "top"
        pool = """
    top = MaxPool <kernel_shape: ints = @peak, pads: ints = @peak_pads, strides: ints = @peak_strides,
        dilations: ints = @peak_dilations> (mixed)"""
    return f"""
<domain: "ai.delrec", opset_import: ["" : 18]>
{kind} <{", ".join(names)}> (x, kernel, bias) => (current)
{{
    shape = Constant <value_ints: ints = @map_shape> ()
    flat_shape = Constant <value: tensor = int64[2] {{0, -1}}> ()
    map = Reshape (x, shape){crop}
    mixed = Conv <pads: ints = @pads, strides: ints = @strides, {more}group: int = @group> (
        {seen}, kernel, bias){pool}
    current = Reshape ({current}, flat_shape)
}}
"""


ONNX = tuple(onnx_function(kind) for kind in KINDS)
