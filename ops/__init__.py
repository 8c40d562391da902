"""The ops of a network, one file each: formula, plain reference, torch form, ONNX function and TIR form.

May import: system and below.
Start reading at: `lif.py`.
Public: `synapses.Synapses`, `lif.Lif`, `readout.Readout`, `dense_delay.DenseDelay`,
    `conv_delay.ConvDelay`, `synaptic_delay.SynapticDelay`, `tap_conv_delay.TapConvDelay`,
    `conv2d_delay.Conv2dDelay`.
"""
