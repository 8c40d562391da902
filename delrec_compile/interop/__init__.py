"""Other frameworks: their models in, and NIR graphs in and out.

May import: compiler, runners, training and below.
Start reading at: `source.py`.
Public: `source.import_model`, `result.Imported`, `nir.reader.from_nir`, `nir.writer.to_nir`,
    `checkpoints.reader.from_checkpoint`, `lava.reader.from_lava`, `snntorch.from_snntorch`,
    `spikingjelly.from_spikingjelly`, `norse.from_norse`.
"""
