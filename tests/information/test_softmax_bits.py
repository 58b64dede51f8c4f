import math

import torch

from mrdib_graph.information import softmax_bits
from mrdib_graph.information.softmax_bits import log_choice
from mrdib_graph.information.sources import Source


def inputs(rows, generator):
    user = torch.randn(800, 3, generator=generator, dtype=torch.float64)
    item = torch.randn(300, 3, generator=generator, dtype=torch.float64)
    weights = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    gamma = torch.rand(5, generator=generator, dtype=torch.float64) + 0.5
    return [Source(user, item, 3)], [weights], gamma


def test_against_a_slow_loop(rows, generator, monkeypatch):
    monkeypatch.setattr(softmax_bits, "_SCORES", 300 * 37)  # several blocks, the last one short
    sources, weights, gamma = inputs(rows, generator)
    found = log_choice(rows, sources, weights, gamma)
    for row in range(0, rows.user.numel(), 97):
        u, i, f = int(rows.user[row]), int(rows.item[row]), int(rows.fold[row])
        history = rows.train_item[rows.train_ptr[u] : rows.train_ptr[u + 1]].tolist()
        scores = {}
        for j in range(300):
            if j not in history:
                product = sources[0].user[u] * sources[0].item[j] * weights[0][f]
                scores[j] = float(product.sum() + gamma[f] * rows.popularity[j].log())
        normaliser = math.log(sum(math.exp(s) for s in scores.values()))
        assert math.isclose(float(found[row]), scores[i] - normaliser, abs_tol=1e-9)


def test_sampled_normaliser_is_close(rows, generator, monkeypatch):
    sources, weights, gamma = inputs(rows, generator)
    exact = log_choice(rows, sources, [0.3 * weights[0]], gamma)
    monkeypatch.setattr(softmax_bits, "MAX_ITEMS", 100)
    sampled = log_choice(rows, sources, [0.3 * weights[0]], gamma)
    assert not torch.equal(exact, sampled)
    assert float((exact - sampled).abs().mean()) < 0.05


def test_popularity_alone(rows):
    found = log_choice(rows, [], [], torch.ones(5, dtype=torch.float64))
    u, i = int(rows.user[0]), int(rows.item[0])
    history = rows.train_item[rows.train_ptr[u] : rows.train_ptr[u + 1]]
    allowed = 1 - rows.popularity[history].sum()
    assert torch.isclose(found[0], (rows.popularity[i] / allowed).log())
