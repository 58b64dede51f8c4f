"""The information profile of a trained recommender, and its figures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from threadpoolctl import threadpool_limits
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets import MultimodalDataset, Planted
from mrdib_graph.errors import DataError
from mrdib_graph.experiment import report, run_tracking
from mrdib_graph.experiment.arms import Arm
from mrdib_graph.experiment.outputs import Outputs
from mrdib_graph.information import InformationProfile, ProfileConfig, information_profile
from mrdib_graph.recommender import Recommender
from mrdib_graph.tracking import Tracker
from mrdib_graph.typing import Rows

logger = logging.getLogger(__name__)


def profile_arm(recommender: Recommender, data: HeteroData) -> InformationProfile | None:
    """Measure the codes of a recommender on the test split.

    None where there is nothing to split: a backbone without modalities, or, with a warning, data
    on which the measure refuses to speak (fewer than 500 held-out interactions).
    """
    names = recommender.modalities
    if not names:
        return None
    device = next(recommender.parameters()).device
    data = data.to(device)
    config = ProfileConfig(pairs=len(names) > 1)
    codes = recommender.codes(data)
    try:
        # the solver's matrices are small: a second BLAS thread doubles its time
        with threadpool_limits(1):
            return information_profile(
                codes,
                data,
                config,
                modalities=names,
                fused_score=lambda keep: recommender.tables(
                    data, recommender.backbone.content_names(keep)
                ),
            )
    except DataError as error:
        logger.warning("information profile left out: %s", error)
        return None


def truth_of(dataset: MultimodalDataset) -> Planted | None:
    """The data set, where it knows the truth."""
    return dataset if isinstance(dataset, Planted) else None


def profile_figures(
    tracker: Tracker,
    outputs: Outputs,
    profiles: Mapping[str, InformationProfile],
    dataset: MultimodalDataset,
) -> list[str]:
    """Bars, heat maps and knock-outs of each profile; the file names."""
    names = []
    truth = truth_of(dataset)
    for label, profile in profiles.items():
        content = profile.to_dict()
        if content["pairs"]:
            first: Any = tuple(content["pairs"][0]["pair"])
            known = None if truth is None else truth.truth(first)
            for kind, stem, extra in (
                ("information_bars", "information", [known]),
                ("information_heat_maps", "information-pairs", []),
            ):
                file = f"{stem}-{label}.png"
                names.append(run_tracking.draw(tracker, outputs, kind, file, content, *extra))
        if content["knock_out"]:
            names.append(
                run_tracking.draw(
                    tracker,
                    outputs,
                    "knock_out_bars",
                    f"knock-out-{label}.png",
                    content,
                    report.MAIN_METRIC,
                )
            )
    return names


def item_codes(recommender: Recommender, data: HeteroData) -> Rows:
    """The items' modality codes, on the CPU."""
    device = next(recommender.parameters()).device
    codes = recommender.codes(data.to(device))[graph.ITEM]
    return {m: codes[m].cpu() for m in recommender.modalities}


def code_maps(tracker: Tracker, outputs: Outputs, codes: Sequence[tuple[Arm, Rows]]) -> list[str]:
    """For each backbone, its codes bare beside those with the method; the file names."""
    names = []
    bare = {arm.backbone: rows for arm, rows in codes if arm.name == "bare"}
    for arm, after in codes:
        before = bare.get(arm.backbone)
        if before is None or arm.name not in ("mrdib", "paper"):
            continue
        file = f"codes-{arm.label}.png"
        backbone = arm.backbone_name
        options = {"seed": 0, "titles": (f"{backbone}, bare", f"{backbone}, {arm.name}")}
        names.append(
            run_tracking.draw(tracker, outputs, "code_map", file, before, after, **options)
        )
    return names
