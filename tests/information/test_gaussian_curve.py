import pytest
import torch

from mrdib_graph.errors import DataError
from mrdib_graph.information import ProfileConfig, gaussian_curve, information_profile


def test_close_to_the_profile(codes, data):
    curve = gaussian_curve(codes, data, split="val+test", pairs=True)
    config = ProfileConfig(split="val+test", knock_out=())
    profile = information_profile(codes, data, config).metrics()
    assert set(curve) == set(profile)
    for key, value in profile.items():
        assert curve[key] == pytest.approx(value, abs=0.06), key


def test_same_rows_at_every_call(codes, data):
    assert gaussian_curve(codes, data) == gaussian_curve(codes, data)
    assert set(gaussian_curve(codes, data)) == {
        f"information/{m}/bits" for m in ("image", "text", "audio")
    }


def test_one_modality_is_enough_without_pairs(codes, data):
    assert set(gaussian_curve(codes, data, modalities=["text"])) == {"information/text/bits"}


def test_a_collapsed_code_reads_as_zero(codes, data):
    flat = {side: {n: torch.zeros_like(t) for n, t in codes[side].items()} for side in codes}
    assert set(gaussian_curve(flat, data, pairs=True).values()) == {0.0}


def test_diverged_codes_are_refused(codes, data):
    bad = {side: {n: t.log() for n, t in codes[side].items()} for side in codes}
    with pytest.raises(DataError, match="NaN or infinite"):
        gaussian_curve(bad, data)
