"""Names, options and values that are refused before any data is read."""

import pytest

from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment import ARMS, build_arms
from mrdib_graph.experiment.config import Settings


def test_good_settings(make_config) -> None:
    own = {"mrdib": {"alpha_kl": 0.01, "placement": "auxiliary"}, "noise": {"std": 0.2}}
    own |= {"bare": {"reg_fused": 0, "learning_rate": 1}}
    config = make_config("vbpr", arms=list(ARMS), own_arms=own)
    build_arms(config)


def test_settings_of_other_backbones_may_stay(make_config) -> None:
    """A run's configuration, run again with one of its backbones."""
    config = make_config("vbpr")
    config.settings["lattice"] = Settings()
    config.settings["ease"] = Settings()
    build_arms(config)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"arms": ["bare", "mrdbi"]}, "did you mean 'mrdib'"),
        ({"options": {"usr_side": "vector"}}, "backbone vbpr: option 'usr_side' is unknown"),
        ({"options": {"reg": "much"}}, "option 'reg': got 'much', expected 0 or more"),
        ({"options": {"embedding_dim": 4}}, "a place of its own"),
        ({"trainer": {"monitor": "recall@3"}}, "monitor: 'recall@3' is unknown; did you mean"),
        ({"trainer": {"device": "cud"}}, "device: 'cud' is not available"),
        ({"trainer": {"optimizer": "adamm"}}, "optimizer: 'adamm' is unknown; did you mean 'adam"),
        ({"trainer": {"optimizer_options": {"beta": 1}}}, "optimizer_options of Adam: option 'be"),
        ({"trainer": {"callbacks": ["none.py:A"]}}, "callbacks: the file none.py does not exist"),
        ({"trainer": {"seed": 4}}, "trainer.seed is set by --seeds"),
        ({"own_arms": {"nois": {}}}, "'nois' is unknown; did you mean 'noise'"),
        ({"own_arms": {"mrdib": {"alpha": 1}}}, "arm mrdib: option 'alpha' is unknown"),
        ({"own_arms": {"mrdib": {"modalities": []}}}, "a place of its own"),
        ({"own_arms": {"mrdib": {"alpha_kl": True}}}, "got True, expected 0 or more"),
        ({"own_arms": {"mrdib": {"alpha_kl": -1}}}, "'alpha_kl': got -1, expected 0 or more"),
        ({"own_arms": {"mrdib": {"estimator": "min"}}}, "did you mean 'mine'"),
        ({"own_arms": {"mrdib": {"placement": 3}}}, "got 3, expected inline or auxiliary"),
        ({"own_arms": {"mrdib": {"late_fusion": "yes"}}}, "'yes', expected true or false"),
        ({"own_arms": {"bare": {"missing_codes": 2}}}, "'missing_codes': got 2, expected true or"),
        ({"own_arms": {"mrdib": {"reg_fused": -1}}}, "'reg_fused': got -1, expected 0 or more"),
        ({"own_arms": {"mrdib": {"learning_rate": 0}}}, "'learning_rate': got 0, expected more"),
        ({"own_arms": {"mrdib": {"reg_fused": "a"}}}, "'reg_fused': got 'a'"),
        ({"own_arms": {"noise": {"std": "loud"}}}, "arm noise: option 'std': got 'loud'"),
        ({"own_arms": {"bare": {"std": 1}}}, "arm bare: option 'std' is unknown"),
        ({"arms": ["no-kl"]}, "there is no term to leave out"),
        ({"arms": ["noise"], "own_arms": {"noise": {"std": -1}}}, "'std': got -1"),
    ],
)
def test_what_is_refused(make_config, changes: dict, text: str) -> None:
    config = make_config("vbpr", **changes)
    with pytest.raises(ConfigError) as error:
        build_arms(config)
    assert text in str(error.value)


def test_an_arm_that_does_not_run_need_not_be_possible(make_config) -> None:
    """Its names are checked all the same."""
    config = make_config("vbpr", own_arms={"no-kl": {"alpha_unique": 0.1}})
    build_arms(config)


def test_settings_of_a_backbone_that_there_is_not(make_config) -> None:
    config = make_config("vbpr")
    config.settings["vbrp"] = Settings()
    with pytest.raises(ConfigError, match="settings: backbone 'vbrp' is unknown; did you mean"):
        build_arms(config)
