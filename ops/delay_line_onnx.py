"""ONNX functions of `delay_line`: the history, and the lines that synapses read of it."""

ONNX = (
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
DelayRead (hist, at) => (g)
{
    flat_shape = Constant <value: tensor = int64[2] {0, -1}> ()
    flat = Reshape (hist, flat_shape)
    g = Gather <axis = 1> (flat, at)
}
""",
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
DelayPush (hist, spikes) => (hist_next)
{
    one = Constant <value: tensor = int64[1] {1}> ()
    zero = Constant <value: tensor = int64[1] {0}> ()
    minus_one = Constant <value: tensor = int64[1] {-1}> ()
    newest = Unsqueeze (spikes, one)
    kept = Slice (hist, zero, minus_one, one)
    hist_next = Concat <axis = 1> (newest, kept)
}
""",
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
DelayLine (hist, values) => (line)
{
    one = Constant <value: tensor = int64[1] {1}> ()
    newest = Unsqueeze (values, one)
    line = Concat <axis = 1> (newest, hist)
}
""",
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
DelayNow (values) => (line)
{
    one = Constant <value: tensor = int64[1] {1}> ()
    line = Unsqueeze (values, one)
}
""",
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
DelayNewest <depth> (line) => (newest)
{
    zero = Constant <value: tensor = int64[1] {0}> ()
    one = Constant <value: tensor = int64[1] {1}> ()
    steps = Constant <value_ints: ints = @depth> ()
    newest = Slice (line, zero, steps, one)
}
""",
)
