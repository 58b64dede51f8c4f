"""How a configuration is composed, checked, written and read back."""

from pathlib import Path

import pytest
import yaml

from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.config import RunConfig, Settings, settings_name, stored_settings
from mrdib_graph.training import TrainerConfig


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder of stored settings with one file, of vbpr on planted."""
    folder = tmp_path / "configs"
    (folder / "planted").mkdir(parents=True)
    (folder / "planted" / "vbpr.yaml").write_text(
        "options: {user_side: vector}\n"
        "trainer: {learning_rate: 5e-3, patience: 7}\n"
        "arms: {mrdib: {alpha_unique: 0.2, learning_rate: 2e-3, placement: auxiliary}}\n"
    )
    return folder


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def message(*arguments: object, **keywords: object) -> str:
    with pytest.raises(ConfigError) as error:
        configuration.resolve(*arguments, **keywords)  # type: ignore[arg-type]
    return str(error.value)


def test_the_defaults() -> None:
    run = configuration.resolve([])
    assert run == RunConfig(settings={"lattice": Settings()})
    assert run.backbone == ["lattice"] and run.dataset == "planted"
    assert run.arms == ["bare", "mrdib"] and run.seeds == [0, 1, 2]
    assert run.settings["lattice"].trainer == TrainerConfig()


def test_each_part_wins_over_those_before_it(stored: Path, tmp_path: Path) -> None:
    backbone = ("backbone", ["vbpr"])
    key = "settings.vbpr.trainer.patience"
    file = write(tmp_path / "run.yaml", "settings: {vbpr: {trainer: {patience: 8}}}\n")

    def patience(*parts: object, **more: object) -> int:
        run = configuration.resolve(*parts, **more)  # type: ignore[arg-type]
        return run.settings["vbpr"].trainer.patience

    assert patience([backbone]) == TrainerConfig().patience == 20
    assert patience([backbone], None, stored) == 7
    assert patience([backbone], file, stored) == 8
    assert patience([backbone, (key, 9)], file, stored) == 9
    shared = [("trainer.patience", 10)]
    assert patience([backbone], file, stored, shared) == 10
    assert patience([backbone], file, stored, shared, [(key, 11)]) == 11
    # what a later part does not name stays
    kept = configuration.resolve([backbone], file, stored, shared).settings["vbpr"]
    assert kept.options == {"user_side": "vector"} and kept.trainer.learning_rate == 5e-3


def test_a_resolved_file_stands_alone_however_stored_settings_change(
    stored: Path, tmp_path: Path
) -> None:
    run = configuration.resolve([("backbone", ["vbpr"])], None, stored)
    file = write(tmp_path / "run.yaml", configuration.dump(run))
    write(
        stored / "planted" / "vbpr.yaml",
        "options: {user_side: vector, reg: 0.3}\narms: {noise: {std: 0.2}}\n",
    )
    assert configuration.resolve([], file, stored) == run
    flagged = configuration.resolve([], file, stored, [("embedding_dim", 16)])
    assert flagged.settings["vbpr"].options == {"user_side": "vector"}
    assert flagged.settings["vbpr"].embedding_dim == 16


def test_an_assignment_may_choose_the_backbone(stored: Path) -> None:
    run = configuration.resolve([], None, stored, (), [("backbone", ["vbpr"])])
    assert set(run.settings) == {"vbpr"} and run.settings["vbpr"].trainer.patience == 7


def test_a_shared_key_is_set_for_every_backbone(stored: Path) -> None:
    names = ["vbpr", "lattice"]
    run = configuration.resolve([("backbone", names)], None, stored, [("embedding_dim", 16)])
    assert {b: run.settings[b].embedding_dim for b in names} == {"vbpr": 16, "lattice": 16}
    assert run.settings["lattice"].options == {}


def test_a_flag_wins_over_what_an_arm_has_of_its_own(stored: Path, tmp_path: Path) -> None:
    backbone = [("backbone", ["vbpr"])]
    arm = configuration.resolve(backbone, None, stored).settings["vbpr"].arms["mrdib"]
    assert arm == {"alpha_unique": 0.2, "learning_rate": 2e-3, "placement": "auxiliary"}
    file = write(
        tmp_path / "run.yaml",
        "settings: {vbpr: {arms: {noise: {learning_rate: 1.0, std: 0.3}}}}",
    )
    flags = [("trainer.learning_rate", 0.1), ("placement", "inline")]
    run = configuration.resolve(backbone, file, stored, flags).settings["vbpr"]
    assert run.arms == {"mrdib": {"alpha_unique": 0.2}, "noise": {"std": 0.3}}
    assert run.trainer.learning_rate == 0.1 and run.placement == "inline"
    last = [("settings.vbpr.arms.mrdib.learning_rate", 0.5)]
    run = configuration.resolve(backbone, file, stored, flags, last).settings["vbpr"]
    assert run.arms["mrdib"] == {"alpha_unique": 0.2, "learning_rate": 0.5}


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("sedes", "seeds"),
        ("settings.vbpr.optoins", "options"),
        ("settings.vbpr.embeding_dim", "embedding_dim"),
        ("settings.vbpr.trainer.patiense", "patience"),
        ("settings.lattice.trainer.learning_rat", "learning_rate"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(key: str, near: str, tmp_path: Path) -> None:
    expected = f"configuration key '{key}' is unknown; did you mean '{near}'? Known: "
    assert expected in message([(key, 1)])
    assert expected in message([], None, None, (), [(key, 1)])
    nested: object = 1
    for part in reversed(key.split(".")):
        nested = {part: nested}
    file = write(tmp_path / "run.yaml", yaml.safe_dump(nested))
    assert message([], file).startswith(f"{file}: {expected}")


def test_an_unknown_key_far_from_all(stored: Path) -> None:
    assert "configuration key 'xyzzy' is unknown. Known: backbone, dataset" in message(
        [("xyzzy", 1)]
    )
    assert "configuration key 'settings.vbpr.q'" in message([("settings.vbpr.q", 1)], None, stored)


def test_a_wrong_key_in_stored_settings_names_the_file(stored: Path) -> None:
    path = write(stored / "planted" / "vbpr.yaml", "trainer: {epoch: 3}\n")
    text = message([("backbone", ["vbpr"])], None, stored)
    assert text.startswith(f"{path}: configuration key 'settings.vbpr.trainer.epoch'")
    assert "did you mean 'epochs'?" in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seeds", ["a"]),
        ("seeds", [1.5]),
        ("seeds", 3),
        ("backbone", {"a": 1}),
        ("split_seed", "first"),
        ("mlflow", "maybe"),
        ("settings", 3),
        ("settings.vbpr", 3),
        ("settings.vbpr.embedding_dim", "wide"),
        ("settings.vbpr.embedding_dim", 8.5),
        ("settings.vbpr.embedding_dim", None),
        ("settings.vbpr.options", 3),
        ("settings.vbpr.trainer", None),
        ("settings.vbpr.trainer.epochs", "many"),
        ("settings.vbpr.trainer.learning_rate", "fast"),
    ],
)
def test_a_value_of_another_type_names_the_key(key: str, value: object) -> None:
    assert f"configuration key '{key}" in message([(key, value)])


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("settings.a.trainer.patience", -1, "patience: got -1, expected a whole number, 0 or more"),
        ("settings.a.trainer.epochs", 0, "epochs: got 0, expected a whole number, 1 or more"),
        ("settings.a.trainer.learning_rate", 0.0, "learning_rate: got 0.0, expected more than 0"),
        ("settings.a.trainer.learning_rate", float("nan"), "learning_rate: got nan"),
        ("settings.a.embedding_dim", 0, "embedding_dim: got 0, expected a whole number, 1 or more"),
        ("settings.a.reg_fused", -0.1, "reg_fused: got -0.1, expected 0 or more"),
        ("settings.a.reg_fused", float("nan"), "reg_fused: got nan"),
        ("settings.a.placement", "within", "placement': Invalid value 'within', expected one of"),
        ("seeds", [], "seeds: expected at least one"),
        ("backbone", [], "backbone: expected at least one"),
        ("arms", [], "arms: expected at least one"),
        ("seeds", [1, 2, 1], "names one twice"),
        ("seeds", [-1], "seeds: got [-1], expected a list, each a whole number, 0 or more"),
        (
            "seeds",
            [2**32],
            "seeds: got [4294967296], expected a list, each a whole number, 0 or more and below",
        ),
        ("arms", ["bare", "bare"], "names one twice"),
        ("backbone", ["vbpr", "VBPR"], "names one twice"),
        ("backbone", ["vbpr", "own.py:VBPR"], "names one twice"),  # one name in tables and folders
        ("baselines", ["ease", "EASE"], "names one twice"),
        ("dataset", "???", "configuration key 'dataset': '???' is no value"),
    ],
)
def test_a_value_out_of_range(key: str, value: object, text: str) -> None:
    assert text in message([(key, value)])


def test_no_baselines_is_allowed() -> None:
    assert configuration.resolve([("baselines", [])]).baselines == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"[1, 2]", "expected keys and values, got ListConfig"),
        (b"just text", "configuration key 'just text' is unknown"),
        (b"a: [1", "not valid YAML"),
        (b"a: 1\na: 2\n", "not valid YAML"),  # the second would win in silence
        (b"\tx: 1", "not valid YAML"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"dataset: ${oops", "no viable alternative"),
        (b"dataset: ${nothing}", "Interpolation key 'nothing' not found"),
        (b"settings: {vbpr: }", "configuration key 'settings.vbpr'"),
        (b"1: 2", "configuration key '1'"),
        (b"!!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(
    content: bytes, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    found = message([], path)
    assert found.startswith(f"{path}: ") and text in found and "\n" not in found


def test_a_file_that_is_absent_or_empty(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    assert message([], path).startswith(f"{path}: cannot be read")
    assert configuration.resolve([], write(path, "")) == configuration.resolve([])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("5E2", 500.0),
        ("-1", -1),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("", None),
        ("abc", "abc"),
        ("a=b", "a=b"),
        ("[1, 2]", [1, 2]),
        ("[a, 1e-2]", ["a", 0.01]),
        ("{a: 1}", {"a": 1}),
        ("'1'", "1"),
    ],
)
def test_a_flag_reads_as_yaml_does(text: str, value: object) -> None:
    found = configuration.parse_value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["[1", "{a: ", "${", "'a"])
def test_a_flag_that_is_no_yaml(text: str) -> None:
    with pytest.raises(ConfigError, match="not valid YAML"):
        configuration.parse_value(text)


def test_a_number_with_an_exponent_is_a_number_in_a_file(tmp_path: Path) -> None:
    file = write(
        tmp_path / "run.yaml",
        "settings: {vbpr: {trainer: {learning_rate: 1e-3}, options: {reg: 1e-4}}}",
    )
    found = configuration.resolve([], file).settings["vbpr"]
    assert found.trainer.learning_rate == 1e-3 and found.options == {"reg": 1e-4}


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        ("lattice", "lattice"),
        ("LATTICE", "lattice"),
        ("Light_GCN", "lightgcn"),
        ("docs/how_to/my_backbone.py:ContentGCN", "contentgcn"),
    ],
)
def test_the_name_of_a_backbones_settings(backbone: str, name: str) -> None:
    assert settings_name(backbone) == name


def test_stored_settings_are_found_however_the_names_are_written(stored: Path) -> None:
    path = stored / "planted" / "vbpr.yaml"
    for dataset in ("planted", "Planted", "/data/planted"):
        assert stored_settings(stored, dataset, "VBPR") == path
    assert stored_settings(stored, "data/amazon-planted", "vbpr") == path
    assert stored_settings(stored, "amazon-other", "vbpr") is None
    assert stored_settings(stored, "planted", "lattice") is None
    assert stored_settings(stored, "lastfm2k", "vbpr") is None
    assert stored_settings(stored / "none", "planted", "vbpr") is None


def test_a_number_too_long_to_be_written_is_refused():
    config = configuration.resolve([("dataset_options.a", 16**5000)])
    with pytest.raises(ConfigError, match="configuration: cannot be written: Exceeds the limit"):
        configuration.dump(config)
