"""The networks and samples that ship with the package.

May import: nothing.
Start reading at: `README.md`.
Public: `NETWORKS`, `DEFAULT`, and the files themselves.
"""

from pathlib import Path

# names of the bundled networks: the file names
NETWORKS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.safetensors")))
DEFAULT = "conv_delay_256"
