"""What each arm is made of."""

import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import controls
from mrdib_graph.errors import ConfigError
from mrdib_graph.experiment import OBJECTIVES, PAPER, build_recommender
from mrdib_graph.experiment import objectives as module
from mrdib_graph.experiment.config import Settings
from mrdib_graph.loader import TripletLoader
from mrdib_graph.mrdib import MRdIB
from mrdib_graph.recommender import Recommender

MRDIB = {"alpha_kl": 0.02, "alpha_redundancy": 0.3, "alpha_unique": 0.4, "estimator": "mine"}
SETTINGS = Settings(embedding_dim=8, reg_fused=0.05, arms={"mrdib": MRDIB})


def build(data: HeteroData, arm: str, settings: Settings = SETTINGS):
    return build_recommender("vbpr", data, settings, arm)


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
        assert module.mrdib_options(SETTINGS, arm)["estimator"] == "mine"


def test_the_paper_does_not_follow_the_arm_mrdib(data: HeteroData) -> None:
    assert module.mrdib_options(SETTINGS, "paper") == PAPER
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
    assert module.part_class(arm) is cls and arm in module.CONTROLS


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
    assert module.arm_value(settings, "mrdib", "learning_rate", 1.0) == 0.5
    assert module.arm_value(settings, "bare", "learning_rate", 1.0) == 1.0
    assert module.arm_options(settings, "mrdib") == {"alpha_kl": 0.1}


def test_every_arm_starts_from_the_same_backbone(data: HeteroData) -> None:
    states = []
    for arm in OBJECTIVES:
        torch.manual_seed(0)
        states.append(build(data, arm).backbone.state_dict())
    for state in states[1:]:
        assert state.keys() == states[0].keys()
        assert all(torch.equal(state[name], states[0][name]) for name in state)


def test_options_of_the_backbone(data: HeteroData) -> None:
    settings = Settings(options={"user_side": "vector"}, embedding_dim=6)
    backbone = module.build_backbone("VBPR", data, settings)
    assert backbone.embedding_dim == 6 and backbone.user_side == "vector"
    with pytest.raises(ConfigError, match="did you mean 'user_side'"):
        module.build_backbone("vbpr", data, Settings(options={"user_sid": "vector"}))


def test_mistakes(data: HeteroData) -> None:
    with pytest.raises(ConfigError, match="'mrdbi' is unknown; did you mean 'mrdib'"):
        build(data, "mrdbi")
    with pytest.raises(ConfigError, match="'zzz' is unknown. Choices: bare, mrdib, paper, mib"):
        build(data, "zzz")
    with pytest.raises(ConfigError, match="LightGCN has no modality embeddings.*run this backbone"):
        build_recommender("lightgcn", data, SETTINGS, "mrdib")
    with pytest.raises(ConfigError, match="'latice' is unknown; did you mean 'lattice'"):
        module.backbone_class("latice")
    with pytest.raises(ConfigError, match="id-dropout: DualGNN has no ID rows, so .* run this"):
        build_recommender("dualgnn", data, SETTINGS, "id-dropout")


@pytest.mark.parametrize("arm", OBJECTIVES)
@pytest.mark.parametrize("name", ["lightgcn", "dualgnn", "vbpr"])
def test_an_arm_is_refused_exactly_where_it_would_fail(
    data: HeteroData, name: str, arm: str
) -> None:
    model = module.build_backbone(name, data, SETTINGS)
    part = module.build_part(SETTINGS, arm, model.modalities or ["image"])
    batch = next(iter(TripletLoader(data, 8)))
    kept = {"mrdib" if isinstance(part, MRdIB) else "control": part} if part else {}
    try:
        recommender = Recommender(model, **kept)
        recommender.loss(model.prepare(data), batch)
    except ConfigError:
        assert module.why_not(SETTINGS, arm, model, data)
    else:
        assert not module.why_not(SETTINGS, arm, model, data)


def test_only_bare_has_a_meaning_without_modalities(data: HeteroData) -> None:
    assert [o for o in OBJECTIVES if not module.needs_modalities(o)] == ["bare"]
    assert build_recommender("lightgcn", data, SETTINGS, "bare").modalities == []
    assert module.build_part(SETTINGS, "bare", ["image"]) is None
