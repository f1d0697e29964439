"""Makes the package's JavaScript when it is built in the repository."""

import shutil
import subprocess
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = ("engine.js", "widget.js")


class JavaScript(BuildHookInterface):
    """Runs scripts/bundle.mjs; without it, as in a source distribution, the files must be there."""

    def initialize(self, version: str, build_data: dict) -> None:
        root = Path(self.root)
        script = root / "scripts" / "bundle.mjs"
        if script.is_file():
            node = shutil.which("node")
            if node is None:
                raise RuntimeError("Building from the repository needs Node 20 or newer.")
            subprocess.run([node, str(script)], check=True)
        missing = [name for name in STATIC if not (root / "src/lexigraft/static" / name).is_file()]
        if missing:
            raise RuntimeError(f"The package would lack {', '.join(missing)}.")
