"""The profile against the known information of ``planted``, at full size."""

import pytest
import torch

from mrdib_graph.datasets.planted.planted import Planted
from mrdib_graph.information import ProfileConfig, information_profile

CONFIG = ProfileConfig(split="val+test", knock_out=())
PAIR = ("image", "text")


def fused_oracle(planted):
    """The oracle's joint score of the kept modalities as two tables."""

    def score(kept):
        users = torch.arange(planted.config.num_users)
        table = planted.oracle_score([m for m in kept])(users).double()
        return table, torch.eye(planted.config.num_items, dtype=torch.float64)

    return score


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dials", "part", "total"),
    [
        ({}, 0.03, 0.04),
        ({"num_users": 4_000, "num_interactions": 100_000}, 0.03, 0.03),
        ({"redundant": 0.0}, 0.03, 0.04),
        ({"unique": 0.0}, 0.035, 0.03),
        ({"synergy": 0.0}, 0.03, 0.03),
        ({"unique": {"image": 1.0, "text": 0.3, "audio": 0.7}}, 0.05, 0.08),
    ],
    ids=["default", "20,000 rows", "redundant 0", "unique 0", "synergy 0", "unequal"],
)
def test_oracle_codes(dials, part, total):
    planted = Planted.calibration(**dials)
    pair = information_profile(planted.oracle_codes(), planted[0], CONFIG, PAIR).pairs[0]
    truth = planted.truth(PAIR)
    assert pair.split.parts[:4] == pytest.approx(truth.parts[:4], abs=part)
    assert pair.split.total == pytest.approx(truth.total, abs=total)
    if dials.get("redundant") == 0.0:
        assert pair.split.redundant < 0.05
    if dials.get("unique") == 0.0:
        assert max(pair.split.unique) < 0.05
    if dials.get("synergy") == 0.0:
        assert pair.split.synergistic < 0.05


@pytest.mark.slow
def test_product_synergy_is_seen_through_the_fused_score():
    planted = Planted.calibration(synergy_kind="product")
    found = information_profile(
        planted.oracle_codes(), planted[0], CONFIG, PAIR, fused_oracle(planted)
    )
    truth = planted.truth(PAIR)
    assert found.pairs[0].split.parts[:4] == pytest.approx(truth.parts[:4], abs=0.035)


@pytest.mark.slow
def test_half_a_mask_is_no_synergy():
    planted = Planted.calibration()
    pair = ("image", "audio")
    found = information_profile(planted.oracle_codes(), planted[0], CONFIG, pair).pairs[0]
    assert found.split.parts == pytest.approx(planted.truth(pair).parts, abs=0.03)


@pytest.mark.slow
def test_an_invertible_map_of_one_code_moves_little():
    planted = Planted.calibration()
    codes = planted.oracle_codes()
    one = information_profile(codes, planted[0], CONFIG, PAIR).pairs[0].split
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(12, 12, generator=generator)).Q
    turn = turn @ torch.diag(torch.linspace(0.7, 1.4, 12))
    codes["user"]["image"] = codes["user"]["image"] @ turn
    codes["item"]["image"] = codes["item"]["image"] @ torch.linalg.inv(turn).T
    other = information_profile(codes, planted[0], CONFIG, PAIR).pairs[0].split
    assert other.parts == pytest.approx(one.parts, abs=0.03)


@pytest.mark.slow
def test_codes_permuted_over_items():
    planted = Planted.calibration()
    codes = planted.oracle_codes()
    order = torch.randperm(1_000, generator=torch.Generator().manual_seed(0))
    codes["item"] = {name: table[order] for name, table in codes["item"].items()}
    found = information_profile(codes, planted[0], CONFIG)
    for m in found.modalities:
        assert -0.01 < m.bits.raw < 0.01


@pytest.mark.slow
def test_the_interval_covers_the_truth():
    config = ProfileConfig(split="val+test", pairs=False, knock_out=())
    covered = 0
    for seed in range(20):
        planted = Planted.calibration(seed=seed)
        found = information_profile(planted.oracle_codes(), planted[0], config, ["image"])
        bits = found.modalities[0].bits
        covered += bits.low <= planted.information(["image"]) <= bits.high
    assert covered >= 15
