import pytest
import torch

from mrdib_graph.controls import Noise
from mrdib_graph.errors import ConfigError


def test_noise_is_relative_to_the_rows_and_on_both_sides(rows):
    rows["item"]["image"] = rows["item"]["image"] * 100
    out = Noise(["image", "text"], std=0.2).perturb(rows, torch.Generator().manual_seed(0))
    for t in ("user", "item"):
        for m in ("image", "text"):
            x = rows[t][m]
            present = (x != 0).any(1)
            noise = (out[t][m] - x)[present]
            scale = 0.2 * (x.square().sum() / x.numel()).sqrt()
            assert noise.std() == pytest.approx(float(scale), rel=0.08)
            assert noise.mean().abs() < 4 * scale / noise.numel() ** 0.5
        assert out[t]["id"] is rows[t]["id"]


def test_a_modality_that_users_lack_is_noisy_on_items_only(rows):
    del rows["user"]["text"]
    out = Noise(["text"]).perturb(rows, torch.Generator().manual_seed(0))
    assert "text" not in out["user"]
    assert not torch.equal(out["item"]["text"], rows["item"]["text"])


def test_gradient_passes_as_through_the_identity(rows):
    x = rows["item"]["image"].requires_grad_()
    out = Noise(["image"], std=0.5).perturb(rows, torch.Generator().manual_seed(0))
    out["item"]["image"].sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_eval_mode_returns_the_rows(rows):
    assert Noise(["image"], std=5.0).eval().perturb(rows) is rows


@pytest.mark.parametrize("std", [-1.0, float("nan")])
def test_negative_strength_is_named(std):
    with pytest.raises(ConfigError, match=f"std: got {std}, expected 0 or more"):
        Noise(["image"], std=std)


def test_the_scale_is_that_of_all_columns_together(rows):
    rows["item"]["image"] = rows["item"]["image"] * torch.tensor([100.0, 1, 1, 1, 1, 1])
    out = Noise(["image"], std=0.2).perturb(rows, torch.Generator().manual_seed(0))
    noise = (out["item"]["image"] - rows["item"]["image"]).std(0)
    scale = 0.2 * rows["item"]["image"].square().mean().sqrt()
    torch.testing.assert_close(noise, scale.expand(6), rtol=0.15, atol=0)
