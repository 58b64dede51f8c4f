import math

import pytest
import torch

from mrdib_graph.information.probe import Probe
from mrdib_graph.information.reader import make_columns
from mrdib_graph.information.sources import Source, make_source


@pytest.fixture(scope="module")
def image(codes, rows):
    source = make_source(codes["user"]["image"], codes["item"]["image"], rows.popularity, None, 32)
    return make_columns(source, rows)


def test_columns_by_hand(rows, image):
    r, c = 11, 3
    user = image.source.user[rows.user[r]]
    candidate = image.source.item[rows.candidates[r, c]]
    positive = image.source.item[rows.item[r]]
    score = float(user @ candidate - user @ positive) / image.score_scale
    product = float(user[2] * (candidate[2] - positive[2])) / image.product_scale
    assert float(image.difference[r, c, 0]) == pytest.approx(score)
    assert float(image.difference[r, c, 3]) == pytest.approx(product)


def test_bits_are_the_saving_over_a_direct_reader(codes, data, rows, image):
    """The oracle's own score with the best scale needs no fit: the probe must come close to it."""
    source, log_q = image.source, rows.popularity.log()
    score = source.user[rows.user] @ source.item.T
    allowed = torch.zeros_like(score)
    at, item = rows.training_items(rows.user)
    allowed[at, item] = -math.inf
    positive = rows.item.unsqueeze(1)

    def log_loss(scale, gamma):
        logits = scale * score + gamma * log_q + allowed
        return float(logits.log_softmax(1).gather(1, positive).mean()) / math.log(2)

    gammas = (0.8, 0.9, 1.0, 1.1)
    null = max(log_loss(0, g) for g in gammas)
    best = max(log_loss(s, g) for s in (0.6, 0.7, 0.8, 0.9, 1.0) for g in gammas)
    assert best - null > 0.2
    found = float(Probe(rows, 30.0).read([image]).bits.mean())
    assert found == pytest.approx(best - null, abs=0.02)


def test_empty_sources_add_nothing(rows, image):
    zero = Source(torch.zeros(800, 5).double(), torch.zeros(300, 5).double(), 5)
    probe, empty = Probe(rows, 30.0), make_columns(zero, rows)
    assert torch.equal(probe.read([empty]).bits, torch.zeros(rows.user.numel()).double())
    both, alone = probe.read([image, empty]), probe.read([image])
    assert torch.equal(both.bits, alone.bits)
    assert torch.equal(both.weights[0], alone.weights[0])
    assert both.weights[1].tolist() == [0.0] * 5
    assert probe.weights(empty, torch.ones(rows.user.numel())).tolist() == [0.0] * 5


def test_a_score_of_popularity_earns_nothing(rows, generator):
    user = torch.ones(800, 1)
    source = make_source(user, rows.popularity.log().unsqueeze(1), rows.popularity, None, 32)
    bits = Probe(rows, 30.0).read([make_columns(source, rows)]).bits.mean()
    assert abs(float(bits)) < 0.005


def test_the_pair_target_has_at_most_one_bit(rows, image):
    sharp = Source(50 * image.source.user, image.source.item, image.source.kept)
    told = Probe(rows, 30.0, "pair").read([make_columns(sharp, rows)])
    probability = torch.sigmoid(-image.difference[..., 0] * image.score_scale)
    direct = 1 + float(probability.log2().mean())  # the oracle itself, popularity cancelled by q
    assert 0.1 < float(told.bits.mean()) < 1
    assert float(told.bits.mean()) == pytest.approx(direct, abs=0.05)


def test_weights_of_all_rows_are_those_of_unit_weights(rows, image):
    probe = Probe(rows, 30.0)
    again = probe.weights(image, torch.ones(rows.user.numel()))
    assert torch.allclose(again, probe.read([image]).weights[0], atol=1e-7)
