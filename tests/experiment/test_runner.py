"""The experiment as a whole, from Python: order, resume, what is said and told."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrdib_graph.datasets import Planted
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.experiment import Experiment, Outputs, run_tracking
from mrdib_graph.experiment.config import DEFAULT_BASELINES
from mrdib_graph.serving import Bundle
from mrdib_graph.tracking import Tracker


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No figures: they take most of a tiny run's time."""
    monkeypatch.setattr(run_tracking, "draw", lambda *given, **_: given[3])
    yield


def run(config, folder: Path, tracker: Tracker | None = None, resume: bool = False):
    said: list[str] = []
    experiment = Experiment(config, tracker or Tracker(), said.append)
    return experiment.run(Outputs(folder, resume), resume), said


def test_it_returns_what_it_writes(make_config, tmp_path: Path) -> None:
    config = make_config("vbpr", arms=["bare", "mrdib"], baselines=["popularity"])
    results, said = run(config, tmp_path / "run")
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert json.loads(json.dumps(results)) == written
    assert [a["arm"] for a in written["arms"]] == ["closed-form", "bare", "mrdib"]
    assert said[0].startswith("vbpr bare: test recall@20") and "vbpr" in said[-1]


def test_nothing_is_read_by_making_it(make_config, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise AssertionError("data were read")

    monkeypatch.setattr(Planted, "load", refuse)
    Experiment(make_config("vbpr,lattice,ease"), Tracker())
    for changes, text in (
        ({"arms": ["bare", "nois"]}, "did you mean 'noise'"),
        ({"baselines": ["eas"]}, "did you mean 'ease'"),
        ({"dataset": "plantd"}, "did you mean 'planted'"),
        ({"options": {"usr_side": "vector"}}, "did you mean 'user_side'"),
    ):
        with pytest.raises(ConfigError, match=text):
            Experiment(make_config("vbpr", **changes), Tracker())
    with pytest.raises(ConfigError, match="did you mean 'vbpr'"):
        Experiment(make_config("vpbr"), Tracker())


def test_bad_data_leave_no_folder(make_config, tmp_path: Path) -> None:
    config = make_config("vbpr", dataset=f"{tmp_path}/none", dataset_options={})
    with pytest.raises(DataError, match="no such folder"):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_arms_that_a_backbone_cannot_have(make_config, tmp_path: Path) -> None:
    config = make_config("vbpr,lightgcn", arms=["mrdib"])
    results, said = run(config, tmp_path / "run")
    assert [(a["backbone"], a["arm"]) for a in results["arms"]] == [("vbpr", "mrdib")]
    assert said[0] == "lightgcn has no modality embeddings: the arm mrdib is left out"
    with pytest.raises(ConfigError, match="none of mrdib can be run on lightgcn; add bare"):
        run(make_config("lightgcn", arms=["mrdib"]), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_bundle_is_of_the_arm_that_was_best_on_validation(make_config, tmp_path: Path) -> None:
    config = make_config("vbpr", arms=["bare", "noise", "mib"], seeds=[0, 1, 2])
    results, _ = run(config, tmp_path / "run")
    best = max(
        ((a, s) for a in results["arms"] for s in a["seeds"]),
        key=lambda found: found[1]["val"]["recall@20"],
    )
    info = Bundle.load(tmp_path / "run" / "bundle").info
    assert info.arm == best[0]["arm"] and info.metrics == best[1]["test"]


def test_one_parent_a_child_for_each_arm_and_seed(make_config, tmp_path: Path, notes) -> None:
    config = make_config("vbpr", arms=["bare", "mrdib"], seeds=[0, 4])
    run(config, tmp_path / "run", notes)
    started = [given[0] for given, _ in notes.of("start_run")]
    assert started == ["run"] + [f"vbpr-{o}-seed{s}" for o in ("bare", "mrdib") for s in (0, 4)]
    assert [given[0] for given, _ in notes.of("end_run")] == ["finished"] * 5
    depth = 0
    for name in notes.names():  # children never overlap, and the parent ends last
        depth += {"start_run": 1, "end_run": -1}.get(name, 0)
        assert 0 <= depth <= 2
    assert depth == 0 and notes.names()[-1] == "end_run"


def test_an_arm_that_fails_ends_its_run_as_failed(make_config, tmp_path: Path, notes) -> None:
    config = make_config("vbpr", arms=["bare"], trainer={"learning_rate": 1e30})
    with pytest.raises(Exception, match="not finite"):
        run(config, tmp_path / "run", notes)
    assert [given for given, _ in notes.of("end_run")] == [("failed",)]
    assert not (tmp_path / "run" / "results.json").exists()


def test_resume_trains_nothing_twice(make_config, tmp_path: Path, monkeypatch) -> None:
    from mrdib_graph.training.state import TrainingState

    config = make_config("vbpr", arms=["bare", "mrdib"])
    results, _ = run(config, tmp_path / "run")
    steps: list[int] = []
    end_step = TrainingState.end_step
    monkeypatch.setattr(
        TrainingState, "end_step", lambda self, terms: (steps.append(1), end_step(self, terms))[1]
    )
    again, _ = run(config, tmp_path / "run", resume=True)
    assert not steps and [a["mean"] for a in again["arms"]] == [a["mean"] for a in results["arms"]]
    longer = make_config("vbpr", arms=["bare", "mrdib"])
    longer.settings["vbpr"] = dataclasses.replace(
        longer.settings["vbpr"],
        trainer=dataclasses.replace(longer.settings["vbpr"].trainer, epochs=3),
    )
    more, _ = run(longer, tmp_path / "run", resume=True)
    assert [s["epochs"] for a in more["arms"] for s in a["seeds"]] == [3, 3]


def test_baselines_are_named_once(make_config) -> None:
    config = make_config("vbpr,ItemKNN", baselines=["itemknn", "ease"])
    experiment = Experiment(config, Tracker())
    assert experiment.baselines == ["ItemKNN", "ease"] and experiment.backbones == ["vbpr"]


def test_arms_below_a_closed_form_are_said_at_the_end(
    make_config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config("vbpr", arms=["bare", "mrdib"], baselines=["ease+content"])
    results, said = run(config, tmp_path / "run")
    assert [found["arm"] for found in results["below_closed_form"]] == ["bare", "mrdib"]
    assert "vbpr bare ends below ease+content (recall@20 ." in said[-1]
    assert "2 of 2 trained arms end below the closed form ease+content" in caplog.text


def test_closed_forms_by_default_read_content(make_config, tmp_path: Path) -> None:
    config = dataclasses.replace(make_config("vbpr", arms=["bare"]), baselines=DEFAULT_BASELINES)
    results, _ = run(config, tmp_path / "run")
    assert [a["backbone"] for a in results["arms"]] == [*DEFAULT_BASELINES, "vbpr"]


def test_the_profile_is_of_the_first_seed(make_config, tmp_path: Path) -> None:
    options = {"num_users": 320, "num_items": 80, "num_interactions": 6400}
    options["modalities"] = {"image": 16, "text": 12}
    config = make_config("vbpr", arms=["bare"], seeds=[3, 4], dataset_options=options)
    results, said = run(dataclasses.replace(config, profile=True), tmp_path / "run")
    assert list(results["information"]) == ["vbpr-bare"]
    assert "Information profile, bits per interaction, seed 3" in said[-1]
    results, said = run(config, tmp_path / "without")
    assert results["information"] == {} and "Information" not in said[-1]


def test_the_partner_of_an_arm_on_late_fusion_is_added(make_config, tmp_path: Path) -> None:
    own = {"mrdib": {"late_fusion": True}}
    config = make_config("vbpr,lightgcn", arms=["bare", "mrdib"], own_arms=own, seeds=[0, 1])
    results, said = run(config, tmp_path / "run")
    assert [(a["backbone"], a["arm"]) for a in results["arms"]] == [
        *(("vbpr", "bare"), ("vbpr", "mrdib"), ("vbpr", "bare-late")),
        *(("lightgcn", "bare"), ("lightgcn", "mrdib"), ("lightgcn", "bare-late")),
    ]
    assert said[0].startswith("vbpr: the arm bare-late is added, which mrdib must be compared with")
    found = {(c["baseline"], c["arm"]) for c in results["comparisons"] if c["backbone"] == "vbpr"}
    assert found == {("bare", "mrdib"), ("bare", "bare-late"), ("bare-late", "mrdib")}
    config_again = (tmp_path / "run" / "config.yaml").read_text()
    assert "bare-late" not in config_again  # it is added by what was asked for
    resumed, _ = run(config, tmp_path / "run", resume=True)
    assert [a["mean"] for a in resumed["arms"]] == [a["mean"] for a in results["arms"]]
