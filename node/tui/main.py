"""Start the screen without the verbs: `python -m node.tui.main [DATA]`. The usual way is `larder tui`."""

from __future__ import annotations

import sys
from pathlib import Path

from node.places import places_from_environment
from node.tui.app import run

if __name__ == "__main__":
    sys.exit(run(places_from_environment(Path(sys.argv[1]) if len(sys.argv) > 1 else None)))
