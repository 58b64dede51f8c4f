"""Files as version 1 wrote them are read as those of today.

The folder ``version_1`` holds a run of the last commit that wrote version 1: ``vbpr`` on 40 planted
users, arms ``bare``, ``mrdib`` and ``noise-late``, two seeds, with a popularity baseline.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.experiment import SavedRun, build_arms, compare_arms, old_schema
from mrdib_graph.experiment import config as configuration

OLD = Path(__file__).with_name("version_1")


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((OLD / name).read_text(encoding="utf-8"))
    return content


def test_the_configuration_of_an_old_run(tmp_path: Path) -> None:
    text = (OLD / "config.yaml").read_text(encoding="utf-8")
    assert "objective:" in text and "objectives:" in text and "arms" not in text
    run = configuration.resolve([], OLD / "config.yaml")
    assert run.arms == ["bare", "mrdib", "noise-late"] and run.seeds == [0, 1]
    settings = run.settings["vbpr"]
    assert settings.arms["mrdib"]["late_fusion"] and settings.arms["bare"] == {"reg_fused": 0.08}
    assert settings.loss == "bpr" and settings.loss_options == {}
    # it is whole, so stored settings of today add nothing to it
    stored = tmp_path / "planted" / "vbpr.yaml"
    stored.parent.mkdir()
    stored.write_text("arms: {mrdib: {alpha_kl: 0.5}}\nloss_options: {log2: true}")
    assert configuration.resolve([], OLD / "config.yaml", tmp_path) == run
    assert configuration.resolve([], write(tmp_path, configuration.dump(run))) == run


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_results_of_an_old_run() -> None:
    before, run = read("results.json"), SavedRun(OLD)
    assert before["schema_version"] == 1 and run.results["schema_version"] == old_schema.VERSION
    assert [(a["backbone"], a["arm"]) for a in run.results["arms"]] == [
        (a["backbone"], a["objective"]) for a in before["arms"]
    ]
    arms = {a.arm: a for a in run.results_of_arms}
    kinds = {name: (a.late_fusion, a.partner, a.is_control) for name, a in arms.items()}
    assert kinds == {
        "closed-form": (False, None, False),
        "bare": (False, None, False),
        "mrdib": (True, "bare-late", False),
        "noise-late": (True, "bare-late", True),
    }
    for old in before["arms"]:
        new = arms[old["objective"]]
        assert new.mean == pytest.approx(old["mean"]) and new.sd == pytest.approx(old["sd"])
    found = compare_arms(list(arms.values()), ["recall@20"])
    expected = [c for c in before["comparisons"] if c["metric"] == "recall@20"]
    pairs = [(c["baseline"], c["objective"]) for c in expected]
    assert [(c.baseline, c.arm) for c in found] == pairs
    assert [c.p_holm for c in found] == pytest.approx([c["p_holm"] for c in expected])


def test_what_version_1_took_from_a_name_is_what_an_arm_says_today() -> None:
    """But for the partner that is added where it was not asked for."""
    run = SavedRun(OLD)
    today = {a.name: (a.late_fusion, a.partner, a.is_control) for a in build_arms(run.config)}
    for arm in run.results["arms"][1:]:
        assert (arm["late_fusion"], arm["partner"], arm["is_control"]) == today[arm["arm"]]
    assert [arm.label for arm in run.arms] == ["vbpr-bare", "vbpr-mrdib", "vbpr-noise-late"]


@pytest.mark.parametrize("version", [None, 0, 3, "1"])
def test_another_version_says_what_to_do(version: object, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(OLD, tmp_path / "run"))
    content = read("results.json") | {"schema_version": version}
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=f"results.json: schema_version {version}, expected 1 or 2"):
        _ = SavedRun(folder).results
    with pytest.raises(DataError, match="run the job again"):
        _ = SavedRun(folder).results


def test_old_keys_in_files_flags_and_assignments(tmp_path: Path) -> None:
    own = "{vbpr: {objectives: {mib: {alpha_kl: 1}}}}"
    file = write(tmp_path, f"objective: [bare, mib]\nsettings: {own}\n")
    last = [("settings.vbpr.objectives.mib.alpha_kl", 2), ("settings.vbpr.reg_fused", 0.5)]
    run = configuration.resolve([("backbone", ["vbpr"])], file, None, (), last)
    assert run.arms == ["bare", "mib"] and run.settings["vbpr"].arms == {"mib": {"alpha_kl": 2}}
    flags = [("backbone", ["vbpr"]), ("objective", ["paper"])]
    assert configuration.resolve(flags).arms == ["paper"]


def test_a_key_by_both_names_is_refused(tmp_path: Path) -> None:
    both = [("objective", ["bare"]), ("arms", ["mrdib"])]
    with pytest.raises(ConfigError, match="'objective' and 'arms'"):
        configuration.resolve(both)
    file = write(tmp_path, "settings: {vbpr: {arms: {}, objectives: {}}}")
    with pytest.raises(ConfigError, match="config.yaml: .*'objectives' and 'arms'"):
        configuration.resolve([], file)


@pytest.mark.parametrize("key", old_schema.REMOVED)
def test_an_option_that_went_is_refused_with_what_replaced_it(make_config, key: str) -> None:
    name, _, value = key.partition(": ")
    config = make_config("vbpr", own_arms={"mrdib": {name: value or 1.0}})
    with pytest.raises(ConfigError) as error:
        build_arms(config)
    expected = f"arm mrdib: option '{key}' was removed: {old_schema.REMOVED[key]}"
    assert str(error.value) == expected


@pytest.mark.parametrize(
    ("own", "removed"),
    [
        ({"part": "free-bits", "free_bits": 1.0}, "free_bits"),
        ({"part": "total-correlation"}, "redundancy"),
        ({"part": "evidence-bound"}, "alpha_kl: bound"),
    ],
)
def test_what_replaces_it_is_accepted(make_config, own: dict[str, Any], removed: str) -> None:
    assert f"part: {own['part']}" in old_schema.REMOVED[removed]
    build_arms(make_config("vbpr", own_arms={"mrdib": own}))


def test_another_arm_may_have_an_option_of_that_name(make_config) -> None:
    config = make_config("vbpr", own_arms={"noise": {"weighting": 1.0}})
    with pytest.raises(ConfigError, match="arm noise: option 'weighting' is unknown"):
        build_arms(config)
