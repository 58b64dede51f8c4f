import json
import logging

import pytest
import torch

from mrdib_graph.datasets.planted.planted import Planted
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.information import (
    Bits,
    InformationProfile,
    KnockOut,
    ModalityInformation,
    PairInformation,
    ProfileConfig,
    information_profile,
)

CONFIG = ProfileConfig(split="val+test", knock_out=())
PAIR = ("image", "text")


def change(codes, **tables):
    out = {side: dict(codes[side]) for side in codes}
    for key, table in tables.items():
        side, name = key.split("_")
        out[side][name] = table
    return out


def concatenate(codes):
    return tuple(torch.cat(list(codes[side].values()), 1) for side in ("user", "item"))


@pytest.fixture(scope="module")
def profile(codes, data):
    return information_profile(codes, data, CONFIG)


def test_parts_of_the_planted_truth(planted, profile):
    """About 3,200 held-out rows; the calibration at full size is in test_calibration.py."""
    assert isinstance(profile, InformationProfile)
    for pair in profile.pairs:
        assert isinstance(pair, PairInformation)
        assert pair.split.parts == pytest.approx(planted.truth(pair.pair).parts, abs=0.1)
        assert sum(pair.split.parts[:4]) == pytest.approx(pair.split.total)
        assert pair.converged
        for low, value, high in zip(pair.low.parts, pair.split.parts, pair.high.parts, strict=True):
            assert low <= value <= high
    for m in profile.modalities:
        assert isinstance(m, ModalityInformation) and isinstance(m.bits, Bits)
        assert m.bits.value == pytest.approx(planted.information([m.name]), abs=0.06)
        assert m.bits.low < m.bits.value < m.bits.high
        assert m.bits.high - m.bits.low == pytest.approx(2 * 1.96 * m.bits.se, rel=0.15)


def test_leave_one_out_gain_of_a_pair_is_what_the_other_lacks(codes, data):
    found = information_profile(codes, data, CONFIG, modalities=PAIR)
    split = found.pairs[0].split
    image, text = (m.leave_one_out.raw for m in found.modalities)
    assert image == pytest.approx(split.unique[0] + split.synergistic, abs=1e-9)
    assert text == pytest.approx(split.unique[1] + split.synergistic, abs=1e-9)
    assert found.total.raw == pytest.approx(split.total)


def test_swapped_modalities_swap_the_parts(codes, data):
    one = information_profile(codes, data, CONFIG, PAIR).pairs[0].split
    other = information_profile(codes, data, CONFIG, PAIR[::-1]).pairs[0].split
    assert one.unique == pytest.approx(other.unique[::-1], abs=1e-5)
    assert one.redundant == pytest.approx(other.redundant, abs=1e-5)
    assert one.synergistic == pytest.approx(other.synergistic, abs=1e-5)


def test_a_duplicate_is_redundant(codes, data):
    twice = change(codes, user_text=codes["user"]["image"], item_text=codes["item"]["image"])
    split = information_profile(twice, data, CONFIG, PAIR).pairs[0].split
    alone = information_profile(twice, data, CONFIG, PAIR).modalities[0].bits.value
    assert split.redundant == pytest.approx(alone, abs=0.02)
    assert split.unique == pytest.approx((0, 0), abs=0.02)
    assert split.synergistic == pytest.approx(0, abs=0.02)


def test_an_empty_modality(codes, data):
    empty = change(codes, user_text=torch.zeros_like(codes["user"]["text"]))
    found = information_profile(empty, data, CONFIG, PAIR)
    split = found.pairs[0].split
    assert found.modalities[1].bits.value == 0
    assert (split.redundant, split.unique[1], split.synergistic) == pytest.approx(
        (0, 0, 0), abs=1e-9
    )
    assert split.unique[0] == pytest.approx(found.modalities[0].bits.value)


def test_dials_at_zero_leave_nothing():
    planted = Planted.calibration(
        num_users=800, num_items=300, num_interactions=16_000,
        redundant=0.0, unique=0.0, synergy=0.0, collaborative=1.0,
    )  # fmt: skip
    found = information_profile(planted.oracle_codes(), planted[0], CONFIG)
    for pair in found.pairs:
        assert pair.split.parts == pytest.approx((0,) * 5, abs=1e-9)


def test_codes_of_other_items_tell_nothing(codes, data, generator):
    order = torch.randperm(300, generator=generator)
    items = {n: t[order] for n, t in codes["item"].items()}
    found = information_profile({"user": codes["user"], "item": items}, data, CONFIG)
    for m in found.modalities:
        assert -0.02 < m.bits.raw < 0.02
    assert found.total.value < 0.02


def test_an_invertible_map_moves_little(codes, data, generator, profile):
    turn = torch.linalg.qr(torch.randn(12, 12, generator=generator)).Q
    turn = turn @ torch.diag(torch.linspace(0.7, 1.4, 12))
    moved = change(
        codes,
        user_image=codes["user"]["image"] @ turn,
        item_image=codes["item"]["image"] @ torch.linalg.inv(turn).T,
    )
    one = profile.pairs[0].split
    other = information_profile(moved, data, CONFIG).pairs[0].split
    assert other.parts == pytest.approx(one.parts, abs=0.06)


def test_wide_codes_keep_their_information(codes, data, generator, profile):
    """The same codes among 60 directions that users do not read."""
    extra = torch.randn(300, 60, generator=generator)
    wide = change(
        codes,
        user_image=torch.cat([codes["user"]["image"], torch.zeros(800, 60)], 1),
        item_image=torch.cat([codes["item"]["image"], extra], 1),
    )
    found = information_profile(wide, data, CONFIG)
    assert found.modalities[0].bits.value == pytest.approx(
        profile.modalities[0].bits.value, abs=0.02
    )


def test_own_tables_are_in_no_pair(codes, data, profile):
    with_id = change(codes, user_id=codes["user"]["audio"], item_id=codes["item"]["audio"])
    found = information_profile(with_id, data, CONFIG)
    assert [m.name for m in found.own] == ["id"]
    assert found.own[0].bits == pytest.approx(profile.modalities[2].bits)
    assert found.own[0].leave_one_out is None
    assert [p.pair for p in found.pairs] == [p.pair for p in profile.pairs]
    assert found.total == pytest.approx(profile.total)


def test_items_without_a_modality_score_zero(codes, data):
    """Rows of items that lack the modality are never read, whatever they hold."""
    lacking = data.clone()
    lacking["text", "describes", "item"].edge_index = lacking[
        "text", "describes", "item"
    ].edge_index[:, 60:]
    junk = codes["item"]["text"].clone()
    junk[:60] = 100.0
    zero = codes["item"]["text"].clone()
    zero[:60] = 0.0
    one = information_profile(change(codes, item_text=junk), lacking, CONFIG, PAIR)
    other = information_profile(change(codes, item_text=zero), lacking, CONFIG, PAIR)
    assert one.modalities[1].bits == pytest.approx(other.modalities[1].bits, abs=1e-5)
    assert one.pairs[0].split.parts == pytest.approx(other.pairs[0].split.parts, abs=1e-5)


def test_the_fused_score_may_know_more_than_a_sum():
    """A product synergy is invisible to a sum of codes and visible to the fused score."""
    planted = Planted.calibration(
        num_users=800, num_items=300, num_interactions=16_000, synergy_kind="product"
    )
    codes, data = planted.oracle_codes(), planted[0]
    scores = planted.oracle_score(PAIR)(torch.arange(800)).double()

    def fused_score(kept):
        if set(PAIR) <= set(kept):
            return scores, torch.eye(300, dtype=torch.float64)
        return torch.zeros(800, 1), torch.ones(300, 1)

    plain = information_profile(codes, data, CONFIG, PAIR)
    found = information_profile(codes, data, CONFIG, PAIR, fused_score)
    assert plain.pairs[0].split.synergistic < 0.08
    assert found.pairs[0].split.synergistic > 0.2
    assert found.non_additive_gain.low > 0.1
    assert plain.non_additive_gain is None and plain.fused is None


def test_fuse_and_knock_outs(codes, data):
    config = ProfileConfig(split="val+test", knock_out=("mean", "shuffle", "noise"))
    found = information_profile(codes, data, config, fuse=concatenate)
    assert len(found.knock_out) == 9
    assert all(isinstance(k, KnockOut) for k in found.knock_out)
    for k in found.knock_out:
        assert k.drop_bits > 0.05 and k.drop_percent["recall@20"] > 0
        assert k.bits + k.drop_bits == pytest.approx(found.fused.raw)
    # A linear fusion tells the additive probe nothing new.
    assert abs(found.non_additive_gain.raw) < 0.01


@pytest.mark.parametrize(
    "rule", ["mmi", "dependency", "gaussian", pytest.param("broja_binned", marks=pytest.mark.slow)]
)
def test_other_rules(codes, data, profile, rule):
    config = ProfileConfig(rule=rule, split="val+test", knock_out=())
    pair = information_profile(codes, data, config, PAIR).pairs[0]
    union = profile.pairs[0].split
    if rule == "mmi":
        assert min(pair.split.unique) == 0 and pair.split.redundant > union.redundant
    elif rule == "dependency":
        assert pair.split.redundant < union.redundant
    elif rule == "gaussian":
        assert pair.split.parts == pytest.approx(union.parts, abs=0.05)
    else:
        assert 0 < pair.split.total < 1 and pair.low is None
        assert min(pair.split.unique) < 0.02
    assert sum(pair.split.parts[:4]) == pytest.approx(pair.split.total)


def test_the_pair_target_reads_less_than_one_bit(codes, data, profile):
    config = ProfileConfig(target="pair", split="val+test", knock_out=())
    found = information_profile(codes, data, config)
    for one, other in zip(found.modalities, profile.modalities, strict=True):
        assert 0.05 < one.bits.value < other.bits.value
    assert found.total.value < 1


@pytest.mark.slow
def test_refit_covers_the_overlap(codes, data, profile):
    config = ProfileConfig(split="val+test", knock_out=(), refit=True)
    pair = information_profile(codes, data, config).pairs[0]
    assert pair.split == profile.pairs[0].split
    assert pair.low.redundant < pair.split.redundant < pair.high.redundant
    fixed = profile.pairs[0]
    assert pair.high.unique[0] - pair.low.unique[0] > fixed.high.unique[0] - fixed.low.unique[0]


@pytest.mark.slow
def test_the_ridge_can_be_chosen(codes, data):
    config = ProfileConfig(split="val+test", knock_out=(), ridge="auto")
    found = information_profile(codes, data, config)
    totals = {
        ridge: information_profile(
            codes, data, ProfileConfig(split="val+test", knock_out=(), ridge=ridge)
        ).total.raw
        for ridge in (3.0, 30.0, 300.0)
    }
    assert found.ridge == max(totals, key=totals.get)
    assert found.total.raw == pytest.approx(max(totals.values()))


def test_a_nested_probe_that_does_worse_is_raised(codes, data, caplog):
    """The fused score of a pair is made of one modality and much noise: I_12 cannot fall below."""
    generator = torch.Generator().manual_seed(3)
    noise = 0.3 * torch.randn(300, 300, generator=generator)
    few = ProfileConfig(split="test", ridge=1e-3, knock_out=())
    wide = change(
        codes,
        user_text=torch.randn(800, 32, generator=generator),
        item_text=noise[:, :32].contiguous(),
    )
    with caplog.at_level(logging.INFO, logger="mrdib_graph.information.measure"):
        found = information_profile(wide, data, few, PAIR)
    assert found.pairs[0].split.total >= max(m.bits.value for m in found.modalities)
    assert found.pairs[0].split.synergistic >= 0
    assert "I_12 of image and text raised by" in caplog.text


def test_results_are_repeatable(codes, data, profile):
    assert information_profile(codes, data, CONFIG).to_dict() == profile.to_dict()


def test_refusals(codes, data):
    with pytest.raises(ConfigError, match="got only 'text', pairs need two; set pairs=False"):
        information_profile(codes, data, CONFIG, ["text"])
    with pytest.raises(ConfigError, match="knock_out: shuffle needs the argument fuse"):
        information_profile(
            codes,
            data,
            ProfileConfig(knock_out=("shuffle",)),
            fused_score=lambda _: concatenate(codes),
        )
    with pytest.raises(DataError, match="'text' of users has shape"):
        information_profile(change(codes, user_text=codes["user"]["text"][:-1]), data, CONFIG)
    without = data.clone()
    store = without["user", "interacts", "item"]
    store.train_mask = torch.ones_like(store.train_mask)
    store.test_mask = store.val_mask = torch.zeros_like(store.train_mask)
    with pytest.raises(DataError, match=r"the val\+test split has 0 interactions"):
        information_profile(codes, without, CONFIG)


def test_one_modality_without_pairs(codes, data, profile):
    config = ProfileConfig(split="val+test", pairs=False, knock_out=())
    found = information_profile(codes, data, config, ["text"])
    assert found.pairs == ()
    assert found.modalities[0].bits == pytest.approx(profile.modalities[1].bits)
    assert found.modalities[0].leave_one_out.raw == pytest.approx(found.total.raw)


def test_metrics_have_the_tracker_keys(profile):
    metrics = profile.metrics()
    split = profile.pairs[0].split
    assert metrics["information/image/bits"] == profile.modalities[0].bits.value
    assert metrics["information/image-text/redundant"] == split.redundant
    assert metrics["information/image-text/unique_image"] == split.unique[0]
    assert metrics["information/image-text/unique_text"] == split.unique[1]
    assert metrics["information/image-text/synergistic"] == split.synergistic
    assert len(metrics) == 3 + 3 * 4


def test_to_dict_is_json(profile):
    plain = json.loads(json.dumps(profile.to_dict(), allow_nan=False))
    assert plain["rule"] == "union" and plain["num_interactions"] == profile.num_interactions
    assert plain["pairs"][0]["pair"] == ["image", "text"]
    assert plain["pairs"][0]["split"]["unique"] == list(profile.pairs[0].split.unique)
    assert plain["modalities"][2]["bits"]["value"] == profile.modalities[2].bits.value


def test_table_with_truth(planted, profile):
    lines = profile.table(planted).splitlines()
    assert lines[0].split()[0] == "modality" and lines[0].rstrip().endswith("truth")
    assert [line.split()[0] for line in lines[2:6]] == ["image", "text", "audio", "all"]
    truth = planted.truth(PAIR)
    assert f"{truth.redundant:.3f}, {truth.unique[0]:.3f}" in lines[9]
    assert lines[9].startswith("image - text  ")
    assert "truth" not in profile.table()


def test_table_says_what_is_not_above_zero(codes, data):
    empty = change(codes, user_text=torch.zeros_like(codes["user"]["text"]))
    text = information_profile(empty, data, CONFIG, PAIR).table()
    assert "text      0.000, not above 0" in text
