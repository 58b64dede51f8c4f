import numpy as np
import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import code_map

EXACT = "donot_use_mm_for_euclid_dist"


def tables(seed: int, apart: float) -> dict[str, torch.Tensor]:
    """Two modalities whose rows lie around points a distance apart."""
    draw = torch.Generator().manual_seed(seed)
    rows = {name: torch.randn(60, 6, generator=draw) for name in ("image", "text")}
    rows["text"][:, 0] += apart
    return rows


def points(figure) -> list[dict[str, np.ndarray]]:
    return [
        {dots.get_label(): dots.get_offsets().data for dots in axis.collections}
        for axis in figure.axes
    ]


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_groups_that_are_apart_are_drawn_apart(method: str) -> None:
    figure = code_map(tables(0, 0.0), tables(1, 40.0), seed=0, method=method, num_points=40)
    before, after = points(figure)
    for panel in (before, after):
        assert {name: rows.shape for name, rows in panel.items()} == {
            "image": (40, 2),
            "text": (40, 2),
        }
    centres = [rows.mean(0) for rows in after.values()]
    nearest = [
        np.linalg.norm(rows[:, None] - np.stack(centres), axis=2).argmin(1)
        for rows in after.values()
    ]
    assert (nearest[0] == 0).all() and (nearest[1] == 1).all()
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "before the bottleneck",
        "after",
    ]


def test_pca_keeps_the_largest_variance() -> None:
    """Rows in a plane are drawn with their distances, which no other two directions keep."""
    draw = torch.Generator().manual_seed(0)
    plane = torch.zeros(50, 4, dtype=torch.float64)
    plane[:, 1:3] = torch.randn(50, 2, generator=draw)
    [before, _] = points(code_map({"a": plane}, {"a": plane}, seed=0, method="pca"))
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    assert np.allclose(
        torch.cdist(*[plane[order]] * 2, compute_mode=EXACT),
        torch.cdist(*[torch.tensor(before["a"])] * 2, compute_mode=EXACT),
        atol=1e-9,
    )


def test_the_same_seed_gives_the_same_picture() -> None:
    before, after = tables(0, 1.0), tables(1, 1.0)
    first, again, other = (
        points(code_map(before, after, seed=seed, method="pca", num_points=20))[0]["image"]
        for seed in (3, 3, 4)
    )
    assert (first == again).all()
    assert not np.allclose(first, other)


def test_wrong_input_is_named() -> None:
    good = tables(0, 0.0)
    cases = [
        ({}, {}, "differ"),
        (good, {"image": good["image"]}, "differ"),
        (good, {n: t[:10] for n, t in good.items()}, "rows"),
        ({n: t[:3] for n, t in good.items()}, {n: t[:3] for n, t in good.items()}, "5 or up"),
        (good, {"image": good["image"], "text": good["text"][:, :2]}, "widths"),
        (good, {n: t / 0 for n, t in good.items()}, "NaN or infinite"),
    ]
    for before, after, message in cases:
        with pytest.raises(ConfigError, match=message):
            code_map(before, after, seed=0, method="pca")
    with pytest.raises(ConfigError, match="'umap'"):
        code_map(good, good, seed=0, method="umap")
