"""Data of each seed, results kept after each, and what every row is compared with."""

import json

import pytest

from mrdib_graph.experiment import RunConfig, Settings, build_arm
from mrdib_graph.experiment.over_seeds import (
    comparisons,
    over_seeds,
    row_name,
    with_data_seed,
)


def test_a_data_seed_splits_a_real_set_anew_and_is_the_training_seed():
    real = with_data_seed(RunConfig(dataset="shop/", split_seed=9), 4)
    assert (real.split_seed, real.seeds, real.dataset_options) == (4, [4], {})
    planted = with_data_seed(RunConfig(dataset_options={"num_users": 5, "seed": 9}), 4)
    assert (planted.split_seed, planted.seeds) == (0, [4])
    assert planted.dataset_options == {"num_users": 5, "seed": 4}


def test_what_was_done_before_a_failure_is_kept(tmp_path):
    def run(seed):
        return {"a": 1 / (3 - seed)}

    out = tmp_path / "new" / "out.json"
    with pytest.raises(ZeroDivisionError):
        over_seeds("data_seeds", [1, 2, 3], run, str(out))
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found == {"data_seeds": [1, 2], "results": [{"a": 0.5}, {"a": 1.0}]}
    assert over_seeds("data_seeds", [2], run, None) == [{"a": 1.0}]


def test_rows_are_compared_with_bare_their_partner_and_the_method():
    names = ["bare", "mrdib", "bare-late", "mrdib-late", "noise-late"]
    arms = [build_arm(Settings(), "vbpr", name) for name in names]
    found = comparisons(arms)
    assert list(found) == [
        "over bare %",
        "over partner %",
        "mrdib over it %",
        "mrdib-late over it %",
    ]
    over_bare, over_partner, mrdib, late = found.values()
    assert over_bare("vbpr bare") is None
    assert over_bare("vbpr noise-late content-only") == (
        "vbpr noise-late content-only",
        "vbpr bare",
    )
    assert over_partner("vbpr noise-late") == ("vbpr noise-late", "vbpr bare-late")
    assert over_partner("vbpr mrdib") is None is over_partner("popularity closed-form")
    assert mrdib("vbpr bare") == ("vbpr mrdib", "vbpr bare") and mrdib("vbpr mrdib") is None
    assert late("vbpr bare-late") == ("vbpr mrdib-late", "vbpr bare-late")
    assert list(comparisons(arms[:1])) == ["over bare %"]
    assert row_name(arms[4]) == "vbpr noise-late"
