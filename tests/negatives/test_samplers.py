"""Samplers against loops over the training pairs."""

import pytest
import torch
from scipy.stats import chisquare

from mrdib_graph import graph, negatives, resolver
from mrdib_graph.errors import ConfigError
from mrdib_graph.loader import TripletLoader, sampler
from mrdib_graph.negatives import (
    AllSampler,
    HardSampler,
    History,
    InBatchSampler,
    NegativeSampler,
    PoolSampler,
    PopularitySampler,
    SharedSampler,
    UniformSampler,
)

SAMPLERS = resolver.choices(negatives, NegativeSampler)
POOLS = [name for name, cls in SAMPLERS.items() if issubclass(cls, PoolSampler)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def histories(data):
    known = {}
    for user, item in graph.interactions(data, "train").T.tolist():
        known.setdefault(user, set()).add(item)
    return known


def test_the_names():
    own = (AllSampler, HardSampler, InBatchSampler, PopularitySampler, SharedSampler)
    assert set(SAMPLERS.values()) == {*own, UniformSampler}
    assert set(SAMPLERS) == {"all", "hard", "inbatch", "popularity", "shared", "uniform"}


@pytest.mark.parametrize("name", SAMPLERS)
def test_nobody_is_compared_with_an_item_of_the_history(tiny, name):
    known = histories(tiny)
    present = {i for items in known.values() for i in items}
    for batch in TripletLoader(tiny, 32, generator=seeded(), negatives=name):
        for b, user in enumerate(batch.user.tolist()):
            own = (batch.neg_item if batch.shared else batch.neg_item[b]).tolist()
            assert set(own) <= present
            if batch.shared:
                assert batch.valid[b].tolist() == [i not in known[user] for i in own]
            else:
                assert not set(own) & known[user]


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_epoch_goes_on_from_any_step(tiny, name):
    loader = TripletLoader(tiny, 20, generator=seeded(3), negatives=name)
    start = loader.generator.get_state()
    whole = list(loader)
    end = loader.generator.get_state()
    loader.generator.set_state(start)
    for mine, other in zip(loader.epoch(skip=2), whole[2:], strict=True):
        assert torch.equal(mine.user, other.user) and torch.equal(mine.neg_item, other.neg_item)
        assert mine.valid is None or torch.equal(mine.valid, other.valid)
    assert torch.equal(loader.generator.get_state(), end)


def test_a_pool_with_repeated_items_is_masked_everywhere(tiny):
    history = History(tiny)
    known = histories(tiny)
    pool = torch.tensor([5, 1, 5, 0, 9, 1, 1])
    users = torch.tensor(sorted(known))[:8].flip(0)
    expected = [[i not in known[u] for i in pool.tolist()] for u in users.tolist()]
    assert history.lacks(users, pool).tolist() == expected
    assert history.lacks(users, pool[:0]).shape == (8, 0)


@pytest.mark.parametrize(("options", "power"), [({"exponent": 0.7}, 0.7), (None, 0.0)])
def test_a_pool_follows_its_distribution_and_says_so(tiny, options, power):
    cls = SharedSampler if options is None else PopularitySampler
    made = cls(num_negatives=4000, **(options or {}))
    history = History(tiny)
    made.start(history)
    count = history.count.double()
    q = torch.where(count > 0, count**power, 0.0)
    q = q / q.sum()
    pools = made.draw(history.user[:10], 5, seeded(1))
    assert len(pools) == 2 and not torch.equal(*pools)
    drawn = torch.cat(list(pools)).bincount(minlength=q.numel())
    assert not drawn[q == 0].any()
    assert chisquare(drawn[q > 0], 8000 * q[q > 0]).pvalue > 0.001
    batch = made.batch(history.user[:5], history.item[:5], pools[0])
    torch.testing.assert_close(batch.log_q.negative, q[pools[0]].log().float())
    torch.testing.assert_close(batch.log_q.positive, q[history.item[:5]].log().float())


def test_in_batch_items_are_the_pool_with_the_share_of_interactions(tiny):
    batch = next(iter(TripletLoader(tiny, 32, generator=seeded(), negatives="in-batch")))
    assert torch.equal(batch.neg_item, batch.pos_item)
    assert not batch.valid.diagonal().any(), "nobody is compared with the own item"
    share = History(tiny).count.double()
    share = (share / share.sum()).log().float()
    torch.testing.assert_close(batch.log_q.negative, share[batch.pos_item])
    assert not InBatchSampler().draw(batch.user, 16, seeded())[1].numel()


def test_hard_keeps_as_many_as_asked_for(tiny):
    made = sampler("hard", 2, {"pool_size": 7})
    batch = next(iter(TripletLoader(tiny, 32, generator=seeded(), negatives=made)))
    assert batch.neg_item.numel() == 7 and batch.num_hardest == 2


def test_one_of_a_pool_for_each(tiny):
    batch = next(iter(TripletLoader(tiny, 32, 5, seeded(), negatives="shared")))
    own = batch.own()
    assert own.neg_item.shape == (32, 1) and not own.shared
    assert own.neg_item[:, 0].tolist() == [int(batch.neg_item[b % 5]) for b in range(32)]
    assert own.valid[:, 0].tolist() == [bool(batch.valid[b, b % 5]) for b in range(32)]
    assert own.own() is own


def test_a_number_that_a_sampler_does_not_take_is_named(tiny):
    with pytest.raises(ConfigError, match="negatives: option 'num_negatives' is unknown"):
        TripletLoader(tiny, num_negatives=3, negatives="in-batch")
    with pytest.raises(ConfigError, match="negatives: 'sharde' is unknown; did you mean 'shared'"):
        TripletLoader(tiny, negatives="sharde")
    with pytest.raises(ConfigError, match="'exponent': got -1, expected 0 or more"):
        sampler("popularity", None, {"exponent": -1})
