import pytest
import torch

from mrdib_graph.controls import IDDropout, ModalityDropout
from mrdib_graph.errors import ConfigError


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_id_dropout_zeroes_whole_id_rows_of_items_and_nothing_else(rows):
    out = IDDropout(["image", "text"], p=0.3).perturb(rows, seeded())
    kept = (out["item"]["id"] != 0).any(1)
    assert torch.equal(out["item"]["id"][kept], rows["item"]["id"][kept])
    assert not out["item"]["id"][~kept].any()
    assert 0.2 < 1 - kept.float().mean() < 0.4  # 400 draws: 0.3 +- 0.07 is three sigma
    assert all(out["item"][m] is rows["item"][m] for m in ("image", "text"))
    assert out["user"] is rows["user"]


def test_modality_dropout_zeroes_rows_apart_and_scales_the_others(rows):
    out = ModalityDropout(["image", "text"], p=0.25).perturb(rows, seeded())
    gone = {}
    for m in ("image", "text"):
        gone[m] = ~(out["item"][m] != 0).any(1)
        gone[m][1] = False  # the item without text
        torch.testing.assert_close(out["item"][m][~gone[m]], rows["item"][m][~gone[m]] / 0.75)
        assert 0.18 < gone[m].float().mean() < 0.32
    assert 0.02 < (gone["image"] & gone["text"]).float().mean() < 0.12  # 1 / 16: independent
    assert out["item"]["id"] is rows["item"]["id"] and out["user"] is rows["user"]


def test_modality_dropout_keeps_the_expected_row(rows):
    control, generator = ModalityDropout(["image"], p=0.5), seeded()
    draws = [control.perturb(rows, generator)["item"]["image"] for _ in range(1500)]
    difference = torch.stack(draws).mean(0) - rows["item"]["image"]
    assert (difference / rows["item"]["image"]).abs().max() < 5 / 1500**0.5


@pytest.mark.parametrize("cls", [IDDropout, ModalityDropout])
def test_eval_mode_returns_the_rows(rows, cls):
    assert cls(["image", "text"], p=0.9).eval().perturb(rows) is rows


def test_gradient_of_a_dropped_row_is_zero(rows):
    x = rows["item"]["id"].requires_grad_()
    out = IDDropout(["image"], p=0.5).perturb(rows, seeded())["item"]["id"]
    out.sum().backward()
    kept = (out != 0).any(1)
    assert torch.equal(x.grad, kept.float().unsqueeze(1).expand(400, 6))


def test_id_dropout_without_ids_is_refused(rows):
    item = {"image": rows["item"]["image"]}
    with pytest.raises(ConfigError, match="IDDropout needs a backbone with rows named 'id'"):
        IDDropout(["image"]).perturb({"user": {}, "item": item}, seeded())


@pytest.mark.parametrize("cls", [IDDropout, ModalityDropout])
@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_probability_out_of_range_is_named(cls, p):
    with pytest.raises(ConfigError, match=f"p: got {p}, expected a probability below 1"):
        cls(["image"], p=p)
