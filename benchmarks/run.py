"""A door to ``mrdib-graph run`` in a checkout: ``python benchmarks/run.py --backbone lattice``."""

import sys

from mrdib_graph.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
