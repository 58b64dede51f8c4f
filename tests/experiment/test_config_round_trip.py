"""Any configuration reads back as it was written; any file is one, or a ``ConfigError``."""

import subprocess
import sys
from dataclasses import fields

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.config import RunConfig, Settings
from mrdib_graph.training import TrainerConfig

values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys = st.sampled_from(
    [f.name for schema in (RunConfig, Settings, TrainerConfig) for f in fields(schema)]
    + ["vbpr", "nothing"]
)
options = st.dictionaries(
    st.text("abc_", min_size=1), values | st.lists(values, max_size=3), max_size=3
)


@given(
    chosen=options,
    rate=st.floats(min_value=1e-9, max_value=1.0, exclude_min=True),
    arms=st.dictionaries(st.sampled_from(["mrdib", "no-kl"]), options),
    seeds=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3, unique=True),
    modalities=st.none() | st.lists(st.text(min_size=1), max_size=3),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, chosen, rate, arms, seeds, modalities
) -> None:
    run = RunConfig(
        backbone=["vbpr"],
        seeds=seeds,
        modalities=modalities,
        dataset_options=chosen,
        settings={
            "vbpr": Settings(options=chosen, arms=arms, trainer=TrainerConfig(learning_rate=rate))
        },
        out="somewhere",
    )
    assume_no_interpolation(run)
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(configuration.dump(run), encoding="utf-8")
    assert configuration.resolve([], path) == run


def assume_no_interpolation(run: RunConfig) -> None:
    text = str(configuration.plain(run) if "${" not in str(run) else "${")
    assume("${" not in text and "???" not in text)


nested = st.recursive(
    values, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3)
)


@given(text=st.text(max_size=60) | st.dictionaries(keys, nested, max_size=4).map(yaml.safe_dump))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_a_configuration_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "run.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        configuration.resolve([], path)
    except ConfigError as error:
        assert str(error).startswith(str(path))


def test_plain_holds_every_key_as_plain_values() -> None:
    plain = configuration.plain(configuration.resolve([("backbone", ["vbpr"])]))
    assert list(plain) == [f.name for f in fields(RunConfig)]
    assert list(plain["settings"]["vbpr"]) == [f.name for f in fields(Settings)]
    assert list(plain["settings"]["vbpr"]["trainer"]) == [f.name for f in fields(TrainerConfig)]
    assert yaml.safe_load(yaml.safe_dump(plain)) == plain


def test_reading_a_configuration_imports_no_torch() -> None:
    code = (
        "import sys; from mrdib_graph.experiment import config; config.resolve([]);"
        "sys.exit(any(m in sys.modules for m in ('torch', 'mlflow', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
