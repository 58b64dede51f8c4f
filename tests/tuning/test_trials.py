from pathlib import Path

import pytest

from mrdib_graph.errors import DataError
from mrdib_graph.tuning import Trial, numeric_points, read_trials, write_trials
from mrdib_graph.tuning.trials import best_trial

TRIALS = [
    Trial("vbpr", "bare", 0, "recall@20", 0.1, {"reg_fused": 0.0}, (3, 4), 1.5),
    Trial("vbpr", "mrdib", 0, "recall@20", 0.2, {"reg_fused": 0.1, "alpha_kl": 1e-5}, (9,), 2.0),
    Trial("vbpr", "mrdib", 1, "recall@20", None, {"reg_fused": 0.2, "alpha_kl": 0.0}),
    Trial(
        *("vbpr", "mrdib", 2, "recall@20", 0.3),
        {"reg_fused": 0.2, "alpha_kl": 0.5, "estimator": "mine", "shared": True, "k": None},
    ),
    Trial("vbpr", "mrdib", 3, "recall@20", 0.3, {"reg_fused": 0.3, "alpha_kl": 0.5}),
]


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    write_trials(path, TRIALS)
    assert read_trials(path) == TRIALS
    head = path.read_text(encoding="utf-8").splitlines()[0]
    assert head.startswith("backbone,arm,trial,state,metric,value,") and "alpha_kl" in head


def test_points_of_an_arm() -> None:
    assert numeric_points(TRIALS, "vbpr", "mrdib") == {
        "alpha_kl": [(1e-5, 0.2), (0.5, 0.3), (0.5, 0.3)],
        "reg_fused": [(0.1, 0.2), (0.2, 0.3), (0.3, 0.3)],
    }
    assert list(numeric_points(TRIALS, "vbpr", "mrdib")) == ["alpha_kl", "reg_fused"]
    assert numeric_points(TRIALS, "vbpr", "bare") == {}  # one value says nothing


def test_the_best_is_the_first_of_the_highest() -> None:
    assert best_trial(TRIALS) is TRIALS[3]
    assert best_trial([TRIALS[2]]) is None and best_trial([]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("metric", "x"), "no column 'metric'"),
        (lambda text: text.replace("0.1,3 4", "none,3 4"), "line 2"),
        (lambda text: text.replace("0.1,3 4", "nan,3 4"), "line 2.*finite"),
        (lambda text: text + "vbpr,bare\n", "line 7.*does not fit"),
        (lambda text: text.replace("vbpr,bare,0", "vbpr,bare,zero"), "line 2"),
    ],
)
def test_a_damaged_table_is_named(change, message: str, tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    write_trials(path, TRIALS)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_trials(path)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent.csv: cannot be read"):
        read_trials(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="cannot be written"):
        write_trials(tmp_path / "no" / "trials.csv", TRIALS)
