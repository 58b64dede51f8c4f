"""Time and memory of building a set of Electronics' size from made-up raw files.

    python benchmarks/amazon_build.py --work /tmp/electronics

writes raw files with the published numbers of Amazon Electronics 2014 (192,403 users, 63,001 items,
1,689,188 rows), builds the folder from them in a process of its own, and prints its peak resident
memory after the build and after reading the graph.  It needs about 3 GB of disk, and Linux.  Raw
files that are there already are used.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Literal

from mrdib_graph import graph
from mrdib_graph.cli.exit_status import exit_status
from mrdib_graph.cli.parser import Parser
from mrdib_graph.datasets import AmazonBuild, AmazonReviews, FetchOptions
from mrdib_graph.testing import write_raw_amazon
from mrdib_graph.testing.measure import peak_resident, run_apart


def measure(raw: Path, root: Path, interactions: Literal["ratings", "reviews"]) -> dict[str, Any]:
    """Peak resident memory in GB (10^9 bytes), seconds, and counts of a build in this process."""
    dataset = AmazonReviews(root, "Electronics", build=AmazonBuild(interactions=interactions))
    found, start = {"imports_gb": _peak_gb()}, time.perf_counter()
    dataset.fetch(FetchOptions(local=raw, any_checksum=True))
    found |= {"build_gb": _peak_gb(), "build_s": time.perf_counter() - start}
    start = time.perf_counter()
    counts = graph.describe(dataset[0])
    found |= {"read_gb": _peak_gb(), "read_s": time.perf_counter() - start}
    return found | {name: counts[name] for name in ("users", "items", "interactions")}


def _peak_gb() -> float:
    return peak_resident() * 2**20 / 1e9


def main(argv: list[str]) -> None:
    """Generate, build, print one JSON object a build."""
    parser = Parser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for raw files and sets")
    parser.add_argument("--users", type=int, default=192_403)
    parser.add_argument("--items", type=int, default=63_001)
    parser.add_argument("--rows", type=int, default=1_689_188)
    parser.add_argument("--single-users", type=int, default=0, help="users that the core drops")
    parser.add_argument("--interactions", nargs="+", default=["reviews", "ratings"])
    args = parser.parse_args(argv)
    raw = args.work / "raw"
    if not raw.is_dir():
        sizes = (args.users, args.items, args.rows, args.single_users)
        write_raw_amazon(raw, "Electronics", *sizes)
    print(json.dumps({"raw": {path.name: path.stat().st_size for path in sorted(raw.iterdir())}}))
    for interactions in args.interactions:
        found = run_apart(measure, raw, args.work / interactions, interactions)
        print(json.dumps({"from": interactions, **found}), flush=True)


if __name__ == "__main__":
    sys.exit(exit_status(main))
