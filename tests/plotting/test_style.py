import subprocess
import sys
from pathlib import Path

import numpy as np

from mrdib_graph.plotting import style

# Viénot, Brettel and Mollon (1999): linear RGB as seen without the long or medium cones.
DICHROMAT = {
    "protan": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deutan": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}


def test_colours_differ_for_colour_blind_readers() -> None:
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in style.CYCLE])
    for matrix in DICHROMAT.values():
        seen = (rgb**2.2 @ np.array(matrix).T).clip(0, 1) ** (1 / 2.2)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)
        assert apart[~np.eye(len(rgb), dtype=bool)].min() > 0.1


def test_panels_are_a_grid_row_by_row() -> None:
    figure, axes = style.panels(2, 3, 2.0, 1.0)
    assert tuple(figure.get_size_inches()) == (6.0, 2.0)
    assert [axis.get_subplotspec().colspan.start for axis in axes] == [0, 1, 2, 0, 1, 2]


def test_importing_the_package_loads_no_drawing_library() -> None:
    program = (
        "import sys, mrdib_graph.plotting\n"
        "assert not {'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "mrdib_graph.plotting.curves([{'train/loss': 1.0}])\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, timeout=120)
