"""The sparse learned graph against the dense form of the paper's release, in float64."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import ItemGraphLearner, edge_cosine, knn, neighbor_matrix
from mrdib_graph.sparse import spmm_values

ITEMS, K = 25, 4


def dense_top_k(x: Tensor, mask: Tensor, k: int) -> Tensor:
    """All cosines, then the k largest of each row [I, I]: what the dense releases hold."""
    unit = x / x.norm(dim=1, keepdim=True)
    cosine = unit @ unit.T * (mask.unsqueeze(1) & mask)
    ranked = cosine.detach().clone()
    ranked[:, ~mask] = -3.0
    ranked.fill_diagonal_(3.0)
    keep = torch.zeros_like(cosine).scatter_(1, ranked.topk(k).indices, 1.0)
    return cosine * keep


def dense_graphs(
    x: Sequence[Tensor], weight: Tensor, masks: Sequence[Tensor], norm: str
) -> list[Tensor]:
    kept = [dense_top_k(x_m, mask, K) for x_m, mask in zip(x, masks, strict=True)]
    joint = sum(w * kept_m for w, kept_m in zip(weight, kept, strict=True))
    graphs = []
    for kept_m in kept:
        degree = (joint if norm == "joint" else kept_m).sum(1)
        scale = torch.where(degree > 0, degree.clamp(min=1e-12).rsqrt(), torch.zeros_like(degree))
        graphs.append(torch.diag(scale) @ kept_m @ torch.diag(scale))
    return graphs


def setting(num_modalities: int, missing: bool, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    raw = [draw(ITEMS, 6 + m) for m in range(num_modalities)]
    masks = [torch.ones(ITEMS, dtype=torch.bool) for _ in raw]
    if missing:
        masks[-1][3:6] = False
    maps = [draw(x.size(1), 5).requires_grad_() for x in raw]
    alpha = draw(num_modalities).requires_grad_()
    q = draw(ITEMS, 5).requires_grad_()
    weight_of_output = draw(ITEMS, 5)
    return raw, masks, maps, alpha, q, weight_of_output


@pytest.mark.parametrize("norm", ["joint", "per_modality"])
@pytest.mark.parametrize(
    ("num_modalities", "missing"), [(1, False), (2, False), (2, True), (3, True)]
)
def test_values_and_gradients_equal_the_dense_form(
    norm: str, num_modalities: int, missing: bool
) -> None:
    raw, masks, maps, alpha, q, out_weight = setting(num_modalities, missing)
    learner = ItemGraphLearner(K, norm)  # type: ignore[arg-type]
    parameters = [*maps, alpha, q]

    x = [r @ w for r, w in zip(raw, maps, strict=True)]
    weight = alpha.softmax(0)
    index = learner.search([x_m.detach() for x_m in x], masks)
    value = learner(x, index, weight, masks)
    h = torch.zeros_like(q)
    sparse = []
    for w, index_m, value_m in zip(weight, index, value, strict=True):
        pattern = neighbor_matrix(index_m, value_m, ITEMS)
        sparse.append(pattern.with_values(pattern.value.detach()).dense())
        h = h + w * spmm_values(pattern, pattern.value, q)
    grads = torch.autograd.grad((h * out_weight).sum(), parameters)

    x = [r @ w for r, w in zip(raw, maps, strict=True)]
    weight = alpha.softmax(0)
    dense = dense_graphs(x, weight, masks, norm)
    h_dense = sum(w * (graph @ q) for w, graph in zip(weight, dense, strict=True))
    expected = torch.autograd.grad((h_dense * out_weight).sum(), parameters)

    for one, other in zip(sparse, dense, strict=True):
        torch.testing.assert_close(one, other.detach(), atol=1e-12, rtol=0)
    torch.testing.assert_close(h, h_dense, atol=1e-12, rtol=0)
    for one, other in zip(grads, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


def test_joint_normalisation_is_that_of_the_weighted_sum() -> None:
    raw, masks, maps, alpha, _, _ = setting(2, False)
    x = [(r @ w).detach() for r, w in zip(raw, maps, strict=True)]
    weight = alpha.detach().softmax(0)
    learner = ItemGraphLearner(K)
    index = learner.search(x, masks)
    value = learner(x, index, weight, masks)
    total = torch.zeros(ITEMS, ITEMS, dtype=torch.float64)
    joint = torch.zeros(ITEMS, ITEMS, dtype=torch.float64)
    for w, x_m, index_m, value_m in zip(weight, x, index, value, strict=True):
        total += w * neighbor_matrix(index_m, value_m, ITEMS).dense()
        joint += w * neighbor_matrix(index_m, edge_cosine(x_m, index_m), ITEMS).dense()
    degree = joint.sum(1)
    torch.testing.assert_close(total, joint / (degree.unsqueeze(1) * degree).sqrt())


def test_hand_computed_graph() -> None:
    x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], dtype=torch.float64)
    learner = ItemGraphLearner(2)
    mask = torch.ones(3, dtype=torch.bool)
    index = learner.search([x], [mask])
    value = learner([x], index, torch.ones(1, dtype=torch.float64), [mask])
    dense = neighbor_matrix(index[0], value[0], 3).dense()
    expected = [[0.5012, 0.4988, 0.0], [0.4988, 0.5012, 0.0], [0.0, 0.0672, 0.9095]]
    torch.testing.assert_close(
        dense, torch.tensor(expected, dtype=torch.float64), atol=5e-5, rtol=0
    )


def test_search_is_the_neighbour_search_of_each_modality() -> None:
    raw, masks, _, _, _, _ = setting(2, True)
    index = ItemGraphLearner(K).search(raw, masks)
    assert index.shape == (2, ITEMS, K)
    for m in range(2):
        assert torch.equal(index[m], knn(raw[m], K, masks[m])[0])


def test_negative_row_sums_weigh_nothing() -> None:
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.001], [-1.0, -0.001]], requires_grad=True)
    mask = torch.ones(3, dtype=torch.bool)
    learner = ItemGraphLearner(3)
    index = learner.search([x.detach()], [mask])
    value = learner([x], index, torch.ones(1), [mask])
    assert value.isfinite().all() and not value[0, 0].any()  # row 0 sums to 1 - 1 - 1
    value.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_options() -> None:
    assert repr(ItemGraphLearner(3)) == "ItemGraphLearner(k=3, norm='joint')"
    with pytest.raises(ConfigError, match="norm: got 'both'"):
        ItemGraphLearner(3, "both")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="search: got 'best', expected auto, exact or faiss"):
        ItemGraphLearner(3, search="best")  # type: ignore[arg-type]


def test_neighbours_that_lack_the_modality_weigh_nothing() -> None:
    """With fewer items than k that have it, the list is filled with items that do not."""
    x = torch.tensor([[1.0, 0.2], [0.5, 1.0], [1.0, 1.0], [0.3, 1.0]])
    mask = torch.tensor([True, False, True, False])
    learner = ItemGraphLearner(3)
    index = learner.search([x], [mask])
    value = learner([x], index, torch.ones(1), [mask])
    there = mask.unsqueeze(1) & mask[index[0]]
    assert there[mask].sum(1).tolist() == [2, 2] and not value[0][~there].any()
    cosine = float(torch.nn.functional.cosine_similarity(x[0], x[2], dim=0))
    torch.testing.assert_close(
        neighbor_matrix(index[0], value[0], 4).dense()[mask][:, mask],
        torch.tensor([[1.0, cosine], [cosine, 1.0]]) / (1 + cosine),
    )
