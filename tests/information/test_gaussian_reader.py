import math

import pytest
import torch

from mrdib_graph.information.gaussian_reader import GaussianReader
from mrdib_graph.information.held_out_choices import HeldOutChoices
from mrdib_graph.information.probe import Probe
from mrdib_graph.information.reader import make_columns
from mrdib_graph.information.sources import Source, make_source


def columns(codes, rows, name):
    source = make_source(codes["user"][name], codes["item"][name], rows.popularity, None, 32)
    return make_columns(source, rows)


@pytest.mark.parametrize("names", [("image",), ("image", "text")])
def test_close_to_the_probe(codes, rows, names):
    read = [columns(codes, rows, name) for name in names]
    closed = float(GaussianReader(rows).read(read).bits.mean())
    assert closed == pytest.approx(float(Probe(rows, 30.0).read(read).bits.mean()), abs=0.05)


def test_tilted_gaussian_codes(generator):
    """One standard normal number an item, tilted by a taste of +-b: the information is b^2 / 2."""
    b, users, items = 0.7, 3000, 4000
    sign = torch.where(torch.rand(users, generator=generator) < 0.5, -1.0, 1.0).double()
    code = torch.randn(items, generator=generator, dtype=torch.float64)
    code = (code - code.mean()) / code.std()
    probability = (b * sign.unsqueeze(1) * code).softmax(1)
    picked = torch.multinomial(probability, 4, replacement=True, generator=generator)
    rows = HeldOutChoices(
        torch.arange(users).repeat_interleave(4),
        picked.flatten(),
        torch.zeros(4 * users, dtype=torch.int64),
        torch.randint(items, (4 * users, 16), generator=generator),
        torch.full((items,), 1.0 / items).double(),
        torch.zeros(users + 1, dtype=torch.int64),
        torch.zeros(0, dtype=torch.int64),
    )
    source = Source(sign.unsqueeze(1), code.unsqueeze(1), 1)
    told = GaussianReader(rows).read([make_columns(source, rows)])
    assert float(told.bits.mean()) == pytest.approx(b**2 / 2 / math.log(2), abs=0.02)
    assert float(told.weights[0]) == pytest.approx(b, abs=0.03)


def test_noise_carries_nothing(rows, generator):
    user = torch.randn(800, 20, generator=generator, dtype=torch.float64)
    item = torch.randn(300, 20, generator=generator, dtype=torch.float64)
    source = make_source(user, item, rows.popularity, None, 32)
    bits = GaussianReader(rows).read([make_columns(source, rows)]).bits
    assert abs(float(bits.mean())) < 0.01  # 20 columns would add 0.005 without the bias term


def test_a_repeated_source_adds_nothing(codes, rows):
    image = columns(codes, rows, "image")
    reader = GaussianReader(rows)
    once, twice = reader.read([image]), reader.read([image, image])
    assert float(twice.bits.mean()) == pytest.approx(float(once.bits.mean()), abs=1e-6)


def test_unit_row_weights(codes, rows):
    image = columns(codes, rows, "image")
    reader = GaussianReader(rows)
    again = reader.weights(image, torch.ones(rows.user.numel()))
    assert torch.allclose(again, reader.read([image]).weights[0])
