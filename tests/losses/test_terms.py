import pytest
import torch

from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import join_terms, join_weights

WEIGHTS = {"Mine": {"a": 2.0, "idle": 0.0}, "MRdIB": {"kl": 0.5}}


def test_terms_and_weights_of_all_owners_in_their_order():
    one, two = torch.tensor(1.0), torch.tensor(2.0)
    assert join_terms([("MRdIB", {"kl": one}), ("Mine", {"a": two})], WEIGHTS) == {
        "kl": one,
        "a": two,
    }
    assert join_weights(WEIGHTS) == {"a": 2.0, "idle": 0.0, "kl": 0.5}


def test_a_clash_of_weights_names_both_owners():
    with pytest.raises(ConfigError, match="term 'a': both Mine and Theirs have a term of this nam"):
        join_weights({**WEIGHTS, "Theirs": {"a": 0.0}})


def test_a_term_that_is_anothers_is_a_clash_and_an_unknown_one_lacks_a_weight():
    term = torch.tensor(1.0)
    with pytest.raises(ConfigError, match="term 'kl': both MRdIB and Mine have"):
        join_terms([("Mine", {"kl": term})], WEIGHTS)
    with pytest.raises(ConfigError, match="term 'b': Mine .* to loss_weights, which has a, idle"):
        join_terms([("Mine", {"b": term})], WEIGHTS)
