"""Draw ``gains.png``: arms on late fusion over ``bare`` and over ``bare-late``, five data sets."""

import json
from pathlib import Path

import numpy as np

from mrdib_graph.plotting.style import BLUE, GREY, label, panels

HERE = Path(__file__).parent
ARMS = {
    "bare-late": "late fusion alone",
    "id-dropout-late": "control: ID dropout",
    "content-loss-late": "control: content loss",
    "mrdib-late": "MRdIB",
}


def gains(backbone: str, base: str) -> dict[str, tuple[float, np.ndarray]]:
    """Gain of each arm in Recall@20 over ``base``, in percent: of the means, and on each set."""
    path = HERE.parents[1] / "benchmarks" / "results" / "does_it_help.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    residual = stored[f"{backbone} mrdib-late, unique residual"]
    found = {}
    for arm in ARMS:
        of = residual if arm == "mrdib-late" else stored[backbone]
        values, bases = np.array(
            [
                [sets[seed][f"{backbone} {name}"]["recall@20"] for seed in "12345"]
                for sets, name in ((of, arm), (stored[backbone], base))
            ]
        )
        found[arm] = 100 * (values.mean() / bases.mean() - 1), 100 * (values / bases - 1)
    return found


def main() -> None:
    """Draw both backbones beside each other: a dot a data set, a bar the mean."""
    figure, axes = panels(1, 2, 4.4, 2.8)
    for axis, backbone in zip(axes, ("vbpr", "lattice"), strict=True):
        for base, shift, colour in (("bare", -0.18, GREY), ("bare-late", 0.18, BLUE)):
            for place, (arm, (mean, each)) in enumerate(gains(backbone, base).items()):
                if arm != base:
                    axis.barh(place + shift, mean, 0.32, color=colour, alpha=0.6)
                    axis.plot(each, [place + shift] * 5, "k.", markersize=3)
            axis.barh(0, 0, color=colour, alpha=0.6, label=f"over {base}")
        axis.axvline(0, color="black", lw=0.8)
        axis.set_yticks(range(len(ARMS)), list(ARMS.values()) if backbone == "vbpr" else [""] * 4)
        axis.invert_yaxis()
        label(axis, "gain in Recall@20, percent", "", backbone)
    axes[0].legend(loc="upper right", fontsize=8)
    figure.savefig(HERE / "gains.png", dpi=120)


if __name__ == "__main__":
    main()
