import pytest
import torch
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets.description import describe_graph, quantiles, top_share


@pytest.fixture
def data():
    """Users 0 to 3, items 0 to 4; item 4 and user 3 have no interaction, item 2 no text."""
    made = HeteroData()
    made["user"].num_nodes, made["item"].num_nodes = 4, 5
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 3), (2, 0)]
    made[graph.INTERACTS].edge_index = torch.tensor(pairs).t().contiguous()
    label = torch.tensor([0, 0, 1, 0, 1, 0])
    for value, split in enumerate(graph.SPLITS):
        made[graph.INTERACTS][f"{split}_mask"] = label == value
    generator = torch.Generator().manual_seed(0)
    made["text"].x = torch.randn(4, 3, generator=generator)
    items = torch.tensor([0, 1, 3, 4])
    made[graph.describes("text")].edge_index = torch.stack([torch.arange(4), items])
    made["image"].x = 50 * torch.randn(5, 6, generator=generator)
    made[graph.describes("image")].edge_index = torch.arange(5).repeat(2, 1)
    graph.validate(made)
    return made


def test_degrees_and_coverage_are_counted(data):
    found = describe_graph(data)
    assert found.degrees["users"].tolist() == [3, 2, 1, 0]
    assert found.degrees["items"].tolist() == [3, 1, 1, 1, 0]
    text, image = found.modalities["text"], found.modalities["image"]
    assert (text.width, text.items, text.coverage, text.zero) == (3, 4, 4 / 5, 0)
    assert (image.width, image.items, image.coverage) == (6, 5, 1.0)
    assert torch.allclose(text.norms, data["text"].x.double().square().sum(1).sqrt())
    unit = torch.nn.functional.normalize(data["image"].x.double())
    cosines = [float(unit[i] @ unit[j]) for i in range(5) for j in range(5) if i != j]
    assert image.cosine == pytest.approx(sum(cosines) / len(cosines))


def test_anomalies_of_interactions(data):
    anomalies = describe_graph(data).anomalies
    assert anomalies[:4] == [
        "1 users have no interaction",
        "1 items have no interaction",
        "2 items have interactions and none of them in training",
        "the test split is empty",
    ]
    for split in graph.SPLITS:
        del data[graph.INTERACTS][f"{split}_mask"]
    assert describe_graph(data).anomalies[:3] == [*anomalies[:2], anomalies[4]]


def test_anomalies_of_features(data):
    ratio = data["image"].x.norm(dim=1).median() / data["text"].x.norm(dim=1).median()
    assert describe_graph(data).anomalies[4:] == [
        f"rows of image are {ratio:.0f} times as long as those of text"
    ]
    data["text"].x[:, 1] = 7.0
    data["text"].x[2] = data["text"].x[1]
    data["image"].x[3] = 0
    data["image"].x[4] *= 1000
    found = describe_graph(data)
    assert found.modalities["image"].zero == 1
    assert {
        "text: 1 rows equal to an earlier row",
        "text: 1 near-constant columns",
        "image: 1 all-zero rows",
        "image: 1 rows with a norm over 10 times above or below the median",
    } < set(found.anomalies)
    assert any(
        a.startswith("text: all rows point the same way, two of them have mean cosine 0.9")
        for a in found.anomalies
    )


def test_a_graph_without_modalities(data):
    del data["text"], data["image"]
    del data[graph.describes("text")], data[graph.describes("image")]
    found = describe_graph(data)
    assert found.modalities == {} and len(found.anomalies) == 4


def test_quantiles_are_values():
    values = torch.tensor([5, 1, 4, 2, 3])
    assert quantiles(values) == [1, 2, 3, 4, 5]
    assert quantiles(torch.tensor([7.5])) == [7.5] * 5


def test_the_share_of_the_most_active():
    degree = torch.tensor([50, 30] + [1] * 20)  # a tenth of 22 is two
    assert top_share(degree) == 0.8
    assert top_share(torch.tensor([3, 1])) == 0.75
