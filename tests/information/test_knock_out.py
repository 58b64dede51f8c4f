import pytest
import torch

from mrdib_graph.datasets.planted.planted import Planted
from mrdib_graph.information.knock_out import fused_score_by_mean, knock_out_table, replace_codes


def test_mean_rows(codes, data, generator):
    out = replace_codes(codes, data, "text", "mean", generator)
    for side in ("user", "item"):
        expected = codes[side]["text"].mean(0).expand_as(codes[side]["text"])
        assert torch.allclose(out[side]["text"], expected)
        assert out[side]["image"] is codes[side]["image"]


def test_shuffled_rows_are_the_same_rows(codes, data, generator):
    out = replace_codes(codes, data, "text", "shuffle", generator)
    for side in ("user", "item"):
        before, after = codes[side]["text"], out[side]["text"]
        assert not torch.equal(before, after)
        assert torch.equal(before.sort(0).values, after.sort(0).values)


def test_noise_has_the_moments_of_the_rows(data, generator):
    mix = torch.tensor([[2.0, 0.0], [1.5, 0.5]])
    wide = torch.randn(800, 2, generator=generator) @ mix.T + 3
    codes = {"user": {"text": wide}, "item": {"text": wide[:300]}}
    out = replace_codes(codes, data, "text", "noise", generator)["user"]["text"]
    assert torch.allclose(out.mean(0), wide.mean(0), atol=0.25)
    assert torch.allclose(torch.cov(out.T), torch.cov(wide.T), rtol=0.15, atol=0.1)
    assert abs(float(torch.corrcoef(torch.stack([out[:, 0], wide[:, 0]]))[0, 1])) < 0.1


def test_items_without_the_modality_keep_their_rows(generator):
    planted = Planted.calibration(
        num_users=50, num_items=100, num_interactions=500, missing={"text": 0.3}
    )
    codes, data = planted.oracle_codes(), planted[0]
    out = replace_codes(codes, data, "text", "mean", generator)["item"]["text"]
    missing = torch.ones(100, dtype=torch.bool)
    missing[data["text", "describes", "item"].edge_index[1]] = False
    assert int(missing.sum()) == 30
    assert torch.equal(out[missing], codes["item"]["text"][missing])
    assert torch.allclose(out[~missing], codes["item"]["text"][~missing].mean(0).expand(70, -1))


def concatenate(codes):
    return tuple(torch.cat(list(codes[side].values()), 1) for side in ("user", "item"))


def test_fused_score_by_mean(codes, data):
    user, item = fused_score_by_mean(codes, data, concatenate)(["image"])
    expected = concatenate(
        {
            side: {n: t if n == "image" else t.mean(0).expand_as(t) for n, t in codes[side].items()}
            for side in codes
        }
    )
    assert torch.allclose(user, expected[0]) and torch.allclose(item, expected[1])


def test_table(codes, data):
    codes = {side: {n: codes[side][n] for n in ("image", "text")} for side in codes}
    full = concatenate(codes)
    fused_score = fused_score_by_mean(codes, data, concatenate)

    def bits(pair):
        return float(pair[0].abs().sum())

    names, kinds = ["image", "text"], ["mean", "shuffle"]
    found = knock_out_table(
        codes, data, names, kinds, fused_score, concatenate, bits, "test", seed=0
    )
    assert [(k.name, k.kind) for k in found] == [
        ("image", "mean"), ("text", "mean"), ("image", "shuffle"), ("text", "shuffle")
    ]  # fmt: skip
    for k in found:
        assert k.drop_percent["recall@20"] > 0
        full_recall = k.metrics["recall@20"] / (1 - k.drop_percent["recall@20"] / 100)
        assert full_recall == pytest.approx(
            found[0].metrics["recall@20"] / (1 - found[0].drop_percent["recall@20"] / 100)
        )
        assert k.drop_bits == pytest.approx(bits(full) - k.bits)
    assert found[2].metrics["recall@20"] < found[0].metrics["recall@20"]  # misleading preferences
