"""``python -m mrdib_graph.cli`` is ``mrdib-graph``."""

import sys

from mrdib_graph.cli import main

if __name__ == "__main__":
    sys.exit(main())
