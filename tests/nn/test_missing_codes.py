import pytest
import torch

from mrdib_graph import VBPR, Recommender, Trainer, datasets, graph
from mrdib_graph.nn import MissingCodes
from mrdib_graph.testing import tiny_data


@pytest.fixture
def data():
    return tiny_data(modalities=("image", "text"))


def lacking(data, m):
    return [i for i, has in enumerate(graph.item_features(data, m)[1].tolist()) if not has]


def test_only_missing_rows_are_replaced_by_those_of_the_table(data):
    codes = MissingCodes.from_data(data, ["image", "text"], 3)
    names = [m for m in ("image", "text") if lacking(data, m)]
    assert names and list(codes.tables) == names
    rows = {m: torch.randn(graph.num_items(data), 3) for m in ("image", "text", "id")}
    for table in codes.tables.values():
        assert not table.weight.any()  # at the start a missing modality adds nothing
        torch.nn.init.normal_(table.weight)
    items = torch.tensor([4, 0, *lacking(data, names[0])[:2], 4])
    for index in (None, items):
        given = rows if index is None else {m: x[index] for m, x in rows.items()}
        found = codes(given, data, index)
        places = range(graph.num_items(data)) if index is None else index.tolist()
        for m, x in rows.items():
            for row, i in enumerate(places):
                own = m in names and i in lacking(data, m)
                expected = codes.tables[m].weight[i] if own else x[i]
                assert torch.equal(found[m][row], expected)
        assert given["id"] is found["id"]


def test_a_table_learns_at_missing_rows_alone_whatever_the_encoder_put_there(data):
    m = next(iter(MissingCodes.from_data(data, ["image", "text"], 3).tables))
    codes = MissingCodes.from_data(data, [m], 3)
    rows = torch.full((graph.num_items(data), 3), torch.nan)
    has = graph.item_features(data, m)[1]
    rows[has] = 1.0
    rows.requires_grad_()
    found = codes({m: rows}, data)[m]
    assert found.isfinite().all()
    found.square().sum().add(found.sum()).backward()
    assert codes.tables[m].weight.grad[~has].all() and not codes.tables[m].weight.grad[has].any()
    assert rows.grad[has].all() and not rows.grad[~has].any()


def test_complete_modalities_need_no_table():
    data = tiny_data(modalities=("image",))
    codes = MissingCodes(graph.num_items(data), [], 3)
    rows = {"image": torch.randn(5, 3)}
    assert codes(rows, data, torch.arange(5)) == rows and not list(codes.parameters())


def test_a_cold_item_keeps_its_zero_row():
    options = {"num_users": 120, "num_items": 100, "num_interactions": 1_200, "seed": 1}
    data = datasets.Planted(**options, cold_items=0.2, missing={"text": 0.5})[0]
    backbone = VBPR.from_data(data, embedding_dim=4)
    codes = MissingCodes.from_data(data, backbone.modalities, 4)
    model = Recommender(backbone, reg_fused=0.02, missing_codes=codes)
    Trainer(epochs=2, learning_rate=5e-3, quiet=True).fit(model, data)
    lacks = ~graph.item_features(data, "text")[1]
    trained = torch.zeros(100, dtype=torch.bool)
    trained[graph.interactions(data, "train")[1]] = True
    moved = codes.tables["text"].weight.any(1)
    assert (lacks & ~trained).any() and (lacks & trained).any()
    assert torch.equal(moved, lacks & trained)
