import numpy as np
import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting import estimator_errors


def row(estimator: str, data: str, d: int, nats: float, mean: float, **more: object) -> dict:
    cell = {"estimator": estimator, "in_nats": True, "data": data, "embedding_dim": d}
    return {**cell, "rows": 64, "nats": nats, "mean": mean, "sd": 0.25, **more}


ROWS = [
    *(row("gaussian", "fresh", d, nats, nats + 0.1) for d in (4, 16) for nats in (0.0, 2.0)),
    *(row("club", "fresh", d, nats, 3 * nats) for d in (4, 16) for nats in (0.0, 2.0)),
    *(row("club", "same", d, nats, 500.0 * d) for d in (4, 16) for nats in (0.0, 2.0)),
    row("hsic", "fresh", 4, 2.0, 777.0, in_nats=False),
]


def test_a_line_an_estimator_beside_the_truth() -> None:
    fresh, same = estimator_errors(ROWS).axes
    means = {
        (box.get_label().strip("_0123456789"), index): np.asarray(
            box.lines[0].get_xydata()
        ).tolist()
        for index, box in enumerate(fresh.containers)
    }
    assert means == {
        ("container", 0): [[4, 0.1], [16, 0.1]],
        ("container", 1): [[4, 0.0], [16, 0.0]],
        ("gaussian", 2): [[4, 2.1], [16, 2.1]],
        ("club", 3): [[4, 6.0], [16, 6.0]],
    }
    assert [text.get_text() for text in fresh.get_legend().get_texts()] == [
        "truth",
        "gaussian",
        "club",
    ]
    low, high = fresh.containers[2].lines[2][0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((1.85, 2.35))
    dashed = {line.get_ydata()[0] for line in fresh.get_lines() if line.get_linestyle() == "--"}
    assert dashed == {0.0, 2.0}
    assert [axis.get_title(loc="left") for axis in (fresh, same)] == [
        "64 rows, fresh",
        "64 rows, same",
    ]


def test_logarithmic_only_where_the_values_need_it() -> None:
    fresh, same = estimator_errors(ROWS).axes
    assert (fresh.get_yscale(), same.get_yscale()) == ("linear", "symlog")
    assert 6.25 < fresh.get_ylim()[1] < 8  # the 777 is no nats and the 8,000 another line's
    assert same.get_ylim()[1] > 8000


def test_nothing_in_nats_is_refused() -> None:
    for rows in ([], ROWS[-1:]):
        with pytest.raises(ConfigError, match=f"rows: got {len(rows)} and none in nats"):
            estimator_errors(rows)
