import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.baselines import ContentCosine
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.testing import tiny_data


def by_hand(data, modality):
    """Cosines [U, I], pair by pair; 0 where either side has nothing."""
    x, mask = graph.item_features(data, modality)
    norms = [float(row.norm()) for row in x]
    scores = torch.zeros(graph.num_users(data), graph.num_items(data))
    history = [[] for _ in range(graph.num_users(data))]
    for user, item in graph.interactions(data, "train").t().tolist():
        history[user].append(item)
    for user, items in enumerate(history):
        rows = [x[j] / norms[j] for j in items if mask[j] and norms[j]]
        if not rows:
            continue
        profile = sum(rows) / len(items)
        for i in range(x.size(0)):
            if mask[i] and norms[i]:
                scores[user, i] = float(profile @ x[i]) / float(profile.norm()) / norms[i]
    return scores


@pytest.mark.parametrize("chosen", [["image"], ["text"], None])
def test_equals_the_cosine_with_the_mean_of_the_history(chosen):
    data = tiny_data(missing=4)
    names = chosen or ["image", "text"]
    expected = sum(by_hand(data, m) for m in names) / len(names)
    scores = ContentCosine(chosen).fit(data).score(torch.arange(30))
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-4)
    assert not scores[29].any()  # a user without training interactions
    some = torch.tensor([7, 3])
    torch.testing.assert_close(ContentCosine(chosen).fit(data).score(some), expected[some])


def test_a_missing_modality_scores_nothing_and_a_cold_item_something():
    data = tiny_data(missing=4)
    text = ContentCosine(["text"]).fit(data).score(torch.arange(29))
    assert not text[:, 3:7].any()
    both = ContentCosine().fit(data).score(torch.arange(29))
    assert both[:, 3:7].any(0).all() and both[:, 39].any()  # item 39 has no interaction


def test_the_scale_of_the_features_does_not_matter():
    data, scaled = tiny_data(), tiny_data()
    scaled["image"].x = 1500 * scaled["image"].x
    one, other = (ContentCosine().fit(d).score(torch.arange(30)) for d in (data, scaled))
    torch.testing.assert_close(one, other)


def test_refuses():
    with pytest.raises(ConfigError, match="modalities: got an empty list"):
        ContentCosine([])
    with pytest.raises(ConfigError, match="no modality to compare"):
        ContentCosine().fit(tiny_data(modalities=()))
    with pytest.raises(DataError, match="'audio' is not in the graph"):
        ContentCosine(["audio"]).fit(tiny_data())
    with pytest.raises(ConfigError, match="score was called before fit"):
        ContentCosine().score(torch.tensor([0]))
    with pytest.raises(ConfigError, match="user_ids: got rows 30 to 30"):
        ContentCosine().fit(tiny_data()).score(torch.tensor([30]))
