"""What each arm is made of."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import controls
from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment import (
    ARMS,
    CONTROLS,
    PAPER,
    RunConfig,
    build_arm,
    build_arms,
    build_recommender,
    possible_arms,
)
from mrdib_graph.experiment.config import Settings, resolve
from mrdib_graph.experiment.recommenders import backbone_class, build_backbone, build_part
from mrdib_graph.loader import TripletLoader
from mrdib_graph.losses import BPRLoss
from mrdib_graph.mrdib import FreeBits, MRdIB
from mrdib_graph.recommender import Recommender

MRDIB = {"alpha_kl": 0.02, "alpha_redundancy": 0.3, "alpha_unique": 0.4, "estimator": "mine"}
SETTINGS = Settings(embedding_dim=8, reg_fused=0.05, arms={"mrdib": MRDIB})


def config(settings: Settings, *arms: str) -> RunConfig:
    return RunConfig(backbone=["vbpr"], arms=list(arms), settings={"vbpr": settings})


def build(data: HeteroData, arm: str, settings: Settings = SETTINGS):
    return build_recommender(build_arm(settings, "vbpr", arm), data)


def alphas(data: HeteroData, arm: str, settings: Settings = SETTINGS) -> tuple[float, ...]:
    mrdib = build(data, arm, settings).mrdib
    assert isinstance(mrdib, MRdIB)
    return mrdib.alpha_kl, mrdib.alpha_redundancy, mrdib.alpha_unique


def test_bare_has_neither(data: HeteroData) -> None:
    bare = build(data, "bare")
    assert bare.mrdib is None and bare.control is None
    assert bare.reg_fused == 0.05 and bare.placement == "inline"


def test_weights_of_the_method_and_its_ablations(data: HeteroData) -> None:
    assert alphas(data, "mrdib") == (0.02, 0.3, 0.4)
    assert alphas(data, "mib") == (0.02, 0.0, 0.0)
    assert alphas(data, "no-kl") == (0.0, 0.3, 0.4)
    assert alphas(data, "no-redundancy") == (0.02, 0.0, 0.4)
    assert alphas(data, "no-unique") == (0.02, 0.3, 0.0)
    for arm in ("mrdib", "no-kl", "no-unique"):
        assert build_arm(SETTINGS, "vbpr", arm).options["estimator"] == "mine"


def test_the_paper_does_not_follow_the_arm_mrdib(data: HeteroData) -> None:
    assert build_arm(SETTINGS, "vbpr", "paper").options == PAPER
    assert alphas(data, "paper") == (0.005, 0.05, 0.005)  # section 4.1.4 of the paper
    own = Settings(embedding_dim=8, arms={"paper": {"alpha_kl": 0.5}})
    assert alphas(data, "paper", own) == (0.5, 0.05, 0.005)


def test_an_ablation_may_have_settings_of_its_own(data: HeteroData) -> None:
    own = Settings(embedding_dim=8, arms={"mrdib": MRDIB, "no-unique": {"alpha_kl": 0.9}})
    assert alphas(data, "no-unique", own) == (0.9, 0.3, 0.0)
    assert alphas(data, "mrdib", own) == (0.02, 0.3, 0.4)


def test_a_bottleneck_without_kl_takes_the_papers_weight(data: HeteroData) -> None:
    plain = Settings(embedding_dim=8)
    assert alphas(data, "mib", plain) == (PAPER["alpha_kl"], 0.0, 0.0)


def test_a_weight_per_modality_and_the_ablations(data: HeteroData) -> None:
    of = {"image": 0.1, "text": 0.0}
    own = Settings(embedding_dim=8, arms={"mrdib": {**MRDIB, "alpha_kl": of}})
    assert alphas(data, "mrdib", own) == (of, 0.3, 0.4)
    assert alphas(data, "mib", own) == (of, 0.0, 0.0)
    assert alphas(data, "no-kl", own) == (0.0, 0.3, 0.4)
    none = Settings(embedding_dim=8, arms={"mrdib": {"alpha_kl": {"image": 0.0}}})
    assert alphas(data, "mib", none) == (PAPER["alpha_kl"], 0.0, 0.0)
    with pytest.raises(ConfigError, match="no-kl: the arm mrdib has alpha_kl 0 here"):
        build(data, "no-kl", none)
    wrong = Settings(embedding_dim=8, arms={"mrdib": {"alpha_kl": {"audio": 0.1}}})
    with pytest.raises(ConfigError, match="alpha_kl: there is no modality 'audio'"):
        build(data, "mrdib", wrong)


def test_no_kl_needs_a_kl_to_leave_out(data: HeteroData) -> None:
    with pytest.raises(ConfigError, match="no-kl: the arm mrdib has alpha_kl 0 here.*--alpha-kl"):
        build(data, "no-kl", Settings(embedding_dim=8))


@pytest.mark.parametrize(
    ("arm", "cls"),
    [
        ("noise", controls.Noise),
        ("id-dropout", controls.IDDropout),
        ("modality-dropout", controls.ModalityDropout),
        ("no-content", controls.NoContent),
        ("split-l2", controls.SplitL2),
        ("content-loss", controls.ContentLoss),
    ],
)
def test_controls(arm: str, cls: type, data: HeteroData) -> None:
    recommender = build(data, arm)
    assert type(recommender.control) is cls and recommender.mrdib is None
    assert recommender.control.modalities == ["image", "text"]
    for name in (arm, cls.__name__, arm.replace("-", "_").upper()):
        found = build_arm(SETTINGS, "vbpr", name)
        assert (found.name, found.part, found.is_control) == (arm, cls, True)
    assert arm in CONTROLS and len(CONTROLS) == 6


def test_a_controls_options(data: HeteroData) -> None:
    settings = Settings(embedding_dim=8, arms={"noise": {"std": 0.7}})
    control = build(data, "noise", settings).control
    assert isinstance(control, controls.Noise) and control.std == 0.7


def test_split_l2_regularises_the_ids_more_by_default(data: HeteroData) -> None:
    def weight(**changes: object) -> float:
        settings = Settings(embedding_dim=8, reg_fused=0.05, arms={"split-l2": changes})
        control = build(data, "split-l2", settings).control
        assert control is not None
        return control.loss_weights["split_l2"]

    assert weight() == pytest.approx(0.03)  # 0.6 of 0.05
    assert weight(reg_fused=0.1) == pytest.approx(0.06)
    assert weight(weight=0.7) == 0.7


def test_an_arms_own_values_win(data: HeteroData) -> None:
    own = {"reg_fused": 0.2, "placement": "auxiliary", "learning_rate": 0.5, "alpha_kl": 0.1}
    settings = Settings(embedding_dim=8, reg_fused=0.05, arms={"mrdib": own})
    mrdib, bare = build(data, "mrdib", settings), build(data, "bare", settings)
    assert (mrdib.reg_fused, mrdib.placement) == (0.2, "auxiliary")
    assert (bare.reg_fused, bare.placement) == (0.05, "inline")
    arms = {name: build_arm(settings, "vbpr", name) for name in ("mrdib", "bare", "no-unique")}
    assert [arms[name].trainer.learning_rate for name in arms] == [0.5, 1e-3, 0.5]
    assert arms["mrdib"].options == {"alpha_kl": 0.1}


def test_every_arm_starts_from_the_same_backbone(data: HeteroData) -> None:
    states = []
    for arm in ARMS:
        torch.manual_seed(0)
        states.append(build(data, arm).backbone.state_dict())
    for state in states[1:]:
        assert state.keys() == states[0].keys()
        assert all(torch.equal(state[name], states[0][name]) for name in state)


def test_options_of_the_backbone(data: HeteroData) -> None:
    settings = Settings(options={"user_side": "vector"}, embedding_dim=6)
    backbone = build_backbone(build_arm(settings, "VBPR", "bare"), data)
    assert backbone.embedding_dim == 6 and backbone.user_side == "vector"
    with pytest.raises(ConfigError, match="did you mean 'user_side'"):
        build_arms(config(Settings(options={"user_sid": "vector"}), "bare"))


def test_mistakes(data: HeteroData) -> None:
    with pytest.raises(ConfigError, match="'mrdbi' is unknown; did you mean 'mrdib'"):
        build(data, "mrdbi")
    with pytest.raises(ConfigError, match="'zzz' is unknown. Choices: bare, mrdib, paper, mib"):
        build(data, "zzz")
    with pytest.raises(ConfigError, match="LightGCN has no modality embeddings.*run this backbone"):
        build_recommender(build_arm(SETTINGS, "lightgcn", "mrdib"), data)
    with pytest.raises(ConfigError, match="'latice' is unknown; did you mean 'lattice'"):
        backbone_class("latice")
    with pytest.raises(ConfigError, match="id-dropout: DualGNN has no ID rows, so .* run this"):
        build_recommender(build_arm(SETTINGS, "dualgnn", "id-dropout"), data)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", ["lightgcn", "dualgnn", "vbpr"])
def test_an_arm_is_refused_exactly_where_it_would_fail(
    data: HeteroData, name: str, arm: str
) -> None:
    one = build_arm(SETTINGS, name, arm)
    model = build_backbone(one, data)
    part = build_part(one, model.modalities or ["image"])
    batch = next(iter(TripletLoader(data, 8)))
    kept = {"mrdib" if isinstance(part, MRdIB) else "control": part} if part else {}
    try:
        recommender = Recommender(model, **kept)
        recommender.loss(model.prepare(data), batch)
    except ConfigError:
        assert one.why_not(model, data)
    else:
        assert not one.why_not(model, data)


def test_only_bare_has_a_meaning_without_modalities(data: HeteroData) -> None:
    said: list[str] = []
    arms = [build_arm(SETTINGS, "lightgcn", name) for name in ARMS]
    assert [arm.name for arm in possible_arms(arms, data, said.append)] == ["bare"]
    assert said[0] == "lightgcn has no modality embeddings: the arm mrdib is left out"
    assert build_recommender(arms[0], data).modalities == []
    assert build_part(arms[0], ["image"]) is None


def test_the_fair_partner_has_the_same_structure() -> None:
    own = {"mrdib": {"late_fusion": True}, "bare-late": {"reg_fused": 0.3}}
    settings = Settings(embedding_dim=8, arms=own)
    names = ("bare", "mrdib", "noise", "noise-late", "bare-late")
    arms = [build_arm(settings, "vbpr", name) for name in names]
    assert [arm.partner for arm in arms] == [None, "bare-late", "bare", "bare-late", "bare"]
    assert [arm.late_fusion for arm in arms] == [False, True, False, True, True]
    all_late = Settings(arms={"bare": {"late_fusion": True}, **own})
    assert build_arm(all_late, "vbpr", "mrdib").partner == "bare"


def test_a_partner_that_was_not_asked_for_is_added() -> None:
    settings = Settings(arms={"mrdib": {"late_fusion": True}, "bare-late": {"reg_fused": 0.3}})
    arms = build_arms(config(settings, "bare", "mrdib", "paper"))
    assert [arm.name for arm in arms] == ["bare", "mrdib", "paper", "bare-late"]
    assert arms[-1].late_fusion and arms[-1].part is None and arms[-1].reg_fused == 0.3
    asked = build_arms(config(settings, "bare-late", "mrdib"))
    assert [arm.name for arm in asked] == ["bare-late", "mrdib"]
    assert [arm.name for arm in build_arms(config(Settings(), "mrdib"))] == ["mrdib"]


MIX_UP = """
from mrdib_graph.controls import Control

class MixUp(Control):
    def __init__(self, modalities, share: float = 0.5):
        super().__init__(modalities)
        self.share = share
"""


def test_a_control_of_ones_own(data: HeteroData, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MIX_UP)
    settings = Settings(embedding_dim=8, arms={"mixup": {"share": 0.2, "reg_fused": 0.1}})
    [plain, late] = build_arms(config(settings, f"{path}:MixUp", f"{path}:MixUp-late"))[:2]
    assert (plain.label, late.label) == ("vbpr-mixup", "vbpr-mixup-late")
    assert late.late_fusion and late.partner == "bare-late" and late.reg_fused == 0.1
    control = build_recommender(plain, data).control
    assert type(control).__name__ == "MixUp" and control.share == 0.2  # type: ignore[union-attr]
    wrong = Settings(arms={"mixup": {"shar": 0.2}})
    with pytest.raises(ConfigError, match="arm mixup: option 'shar' is unknown; did you mean"):
        build_arms(config(wrong, f"{path}:MixUp"))
    with pytest.raises(ConfigError, match="has no Control named 'MixU'; it has: .*MixUp"):
        build_arms(config(settings, f"{path}:MixU"))


def test_a_ranking_loss_by_name_and_options(data: HeteroData) -> None:
    own = {"mrdib": {"loss": "bpr", "loss_options": {"log2": True}}}
    settings = Settings(embedding_dim=8, arms=own)
    bare, mrdib = build(data, "bare", settings), build(data, "mrdib", settings)
    assert isinstance(bare.ranking_loss, BPRLoss) and isinstance(mrdib.ranking_loss, BPRLoss)
    assert bare.ranking_loss.scale == 1 and mrdib.ranking_loss.scale > 1.4
    with pytest.raises(ConfigError, match="loss of arm bare: 'bprr' is unknown; did you mean"):
        build_arms(config(Settings(loss="bprr"), "bare"))
    with pytest.raises(ConfigError, match="option 'log' is unknown; did you mean 'log2'"):
        build_arms(config(Settings(loss="bpr", loss_options={"log": True}), "bare"))


def test_an_arm_as_plain_values() -> None:
    plain = build_arm(SETTINGS, "own.py:Mine", "mrdib-late").to_dict()
    assert (plain["backbone"], plain["arm"], plain["part"]) == (
        "own.py:Mine",
        "mrdib-late",
        "MRdIB",
    )
    assert plain["trainer"]["epochs"] == 1000 and plain["options"] == MRDIB
    json.dumps(plain)


def test_a_variant_of_the_method_by_the_setting_part(data: HeteroData) -> None:
    own = {"part": "free-bits", "free_bits": 3.0, "alpha_kl": 0.1}
    settings = Settings(embedding_dim=8, arms={"mrdib": own})
    for name in ("mrdib", "mrdib-late", "no-unique", "no-kl"):  # an ablation is of the same part
        arm = build_arm(settings, "vbpr", name)
        assert arm.part is FreeBits and arm.options["free_bits"] == 3.0
    assert build_arm(settings, "vbpr", "paper").part is MRdIB
    config = RunConfig(backbone=["vbpr"], arms=["no-unique"], settings={"vbpr": settings})
    assert build_arms(config)[0].part is FreeBits
    wrong = Settings(embedding_dim=8, arms={"mrdib": {"part": "free-bit"}})
    with pytest.raises(ConfigError, match="arm mrdib: part: 'free-bit' is unknown; did you mean"):
        build_arm(wrong, "vbpr", "mrdib")
    wrong = Settings(embedding_dim=8, arms={"noise": {"part": "free-bits"}})
    with pytest.raises(ConfigError, match="arm noise: part: only arms of the method have var"):
        build_arm(wrong, "vbpr", "noise")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "full-softmax", "trainer": {"negatives": "shared"}}, "compares with all items"),
        ({"loss": "softmax", "trainer": {"negatives": "pools"}}, "negatives: 'pools' is unknown"),
        ({"loss_options": {"temperature": 2.0}}, "got temperature without a loss"),
        ({"loss": "direct-au", "arms": {"mrdib": {"unique": "residual"}}}, "reads the rows"),
    ],
)
def test_a_loss_that_cannot_be_is_refused_before_the_data(
    settings: dict[str, Any], message: str
) -> None:
    config = resolve([("backbone", ["vbpr"]), ("settings.vbpr", settings)])
    with pytest.raises(ConfigError, match=message):
        build_arms(config)


def test_the_flag_of_the_regulariser_wins_over_what_an_arm_has(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("settings: {vbpr: {arms: {bare: {reg_fused: 0.5}}}}")
    flags = [("backbone", ["vbpr"])]
    assert build_arms(resolve(flags, file))[0].reg_fused == 0.5
    flagged = resolve(flags, file, shared=[("reg_fused", 0.2)])
    assert build_arms(flagged)[0].reg_fused == 0.2
