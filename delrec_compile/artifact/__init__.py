"""Built artifacts: the manifest, the C interface, the package, and programs made from it.

May import: network and below.
Start reading at: `manifest.py`.
Public: `manifest.Artifact`, `manifest.load_artifact`, `abi.ENTRIES`, `firmware.program`.
"""
