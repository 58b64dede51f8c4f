from pathlib import Path
from typing import Any

import pytest

import mrdib_graph
from mrdib_graph import losses, resolver
from mrdib_graph.experiment import build_arm, build_arms
from mrdib_graph.experiment import config as configuration
from mrdib_graph.experiment.arm_space import arm_space, current_value, with_values
from mrdib_graph.experiment.config import Settings
from mrdib_graph.losses import RankingLoss
from mrdib_graph.tuning import Choice, SearchSpace

STORED = Path(mrdib_graph.__file__).parent / "settings"

SPACE = SearchSpace(
    {
        "every": {"reg_fused": [0.0, 0.1]},
        "arms": {
            "mrdib": {"alpha_kl": [0.0, 1.0], "alpha_unique": [0.0, 2.0]},
            "no-unique": {"alpha_kl": [0.0, 3.0], "alpha_unique": [5.0]},
        },
    }
)
KL = Settings(arms={"mrdib": {"alpha_kl": 0.1}})


def test_an_ablation_searches_what_the_method_does_less_its_own() -> None:
    assert list(arm_space(SPACE, build_arm(KL, "vbpr", "bare"))) == ["reg_fused"]
    assert list(arm_space(SPACE, build_arm(KL, "vbpr", "mrdib"))) == [
        "reg_fused",
        "alpha_kl",
        "alpha_unique",
    ]
    assert list(arm_space(SPACE, build_arm(KL, "vbpr", "no-kl"))) == ["reg_fused", "alpha_unique"]
    without = arm_space(SPACE, build_arm(KL, "vbpr", "no-unique"))
    assert list(without) == ["reg_fused", "alpha_kl"]
    assert without["alpha_kl"] == Choice((0.0, 3.0))


def test_values_go_to_the_arm_alone() -> None:
    before = configuration.resolve(
        [
            ("backbone", ["vbpr"]),
            (
                "settings.vbpr.arms",
                {"mrdib": {"alpha_kl": 0.5, "backbone_options": {"a": 1}}},
            ),
        ]
    )
    spec = build_arm(before.settings["vbpr"], "vbpr", "mrdib")
    after = with_values(before, spec, {"reg_fused": 0.2, "backbone_options.b": 2})
    assert after.settings["vbpr"].arms == {
        "mrdib": {"alpha_kl": 0.5, "backbone_options": {"a": 1, "b": 2}, "reg_fused": 0.2}
    }
    assert before.settings["vbpr"].arms["mrdib"]["backbone_options"] == {"a": 1}
    assert after.seeds == before.seeds


@pytest.mark.parametrize(
    ("arm", "key", "expected"),
    [
        ("bare", "reg_fused", 0.3),
        ("mrdib", "reg_fused", 0.4),
        ("no-kl", "reg_fused", 0.4),  # an ablation starts from the arm mrdib
        ("bare", "learning_rate", 0.02),
        ("noise", "learning_rate", 0.05),
        ("mrdib", "alpha_unique", 0.7),
        ("mrdib", "alpha_redundancy", 3e-4),  # the class's default
        ("paper", "alpha_redundancy", 0.05),
        ("no-redundancy", "alpha_redundancy", 0.0),
        ("noise", "std", 0.1),
        ("mrdib", "backbone_options.user_side", "vector"),
        ("bare", "backbone_options.user_side", "other"),
        ("bare", "alpha_kl", None),
    ],
)
def test_what_an_arm_has_now(arm: str, key: str, expected: Any) -> None:
    settings = Settings(
        options={"user_side": "other"},
        reg_fused=0.3,
        trainer=configuration.TrainerConfig(learning_rate=0.02),
        arms={
            "mrdib": {
                **{"reg_fused": 0.4, "alpha_unique": 0.7, "alpha_kl": 0.1},
                "backbone_options": {"user_side": "vector"},
            },
            "noise": {"learning_rate": 0.05},
        },
    )
    assert current_value(build_arm(settings, "vbpr", arm), key) == expected


def test_what_is_tried_follows_the_ranking_loss() -> None:
    space = SearchSpace(
        {
            "every": {"reg_fused": [0.0, 0.1]},
            "losses": {
                "softmax": {"reg_fused": [0.5], "loss_options.temperature": [1.0, 2.0]},
                "ccl": {"reg_fused": None, "loss_options.margin": [0.1]},
            },
            "backbones": {"lattice": {"losses": {"softmax": {"reg_fused": [0.7]}}}},
        }
    )

    def searched(backbone: str, loss: str | None) -> dict[str, object]:
        return dict(arm_space(space, build_arm(Settings(loss=loss), backbone, "bare")))

    temperature = {"loss_options.temperature": Choice((1.0, 2.0))}
    assert searched("vbpr", None) == searched("vbpr", "bpr") == {"reg_fused": Choice((0.0, 0.1))}
    assert searched("vbpr", "softmax") == {"reg_fused": Choice((0.5,)), **temperature}
    assert searched("lattice", "softmax") == {**temperature, "reg_fused": Choice((0.7,))}
    assert searched("vbpr", "CCL") == {"loss_options.margin": Choice((0.1,))}


@pytest.mark.parametrize("loss", [None, *resolver.choices(losses, RankingLoss)])
def test_the_stored_space_fits_every_loss(loss: str | None) -> None:
    arm = build_arm(Settings(loss=loss), "vbpr", "bare")
    space = arm_space(SearchSpace.load(STORED / "search_space.yaml"), arm)
    assert space
    for key, dimension in space.items():
        current_value(arm, key)
        for value in dimension.samples():
            config = configuration.resolve(
                [("backbone", ["vbpr"]), ("arms", ["bare"]), ("settings.vbpr.loss", loss)]
            )
            build_arms(with_values(config, arm, {key: value}))


def test_an_option_of_the_loss_starts_from_its_own_value() -> None:
    key = "loss_options.temperature"
    assert current_value(build_arm(Settings(loss="softmax"), "vbpr", "bare"), key) == 1.0
    own = Settings(loss="softmax", loss_options={"temperature": 2.0})
    assert current_value(build_arm(own, "vbpr", "bare"), key) == 2.0
