import pytest
import torch
import torch.nn.functional as F
from torch.nn import Linear, ModuleDict

from mrdib_graph.mrdib import MRdIB, Scores


@pytest.mark.parametrize("estimator", ["gaussian", "mine"])
def test_plain_supervised_task_without_a_recommender(estimator):
    """Two views of a class: everything the method needs is a dictionary and a loss per view."""
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(3)
    label = torch.arange(160) % 4
    views = {m: torch.randn(4, 9, generator=generator)[label] for m in ("image", "text")}
    views = {m: x + 0.3 * torch.randn(160, 9, generator=generator) for m, x in views.items()}
    encoders = ModuleDict({m: Linear(9, 5) for m in views})
    heads = ModuleDict({m: Linear(5, 4) for m in [*views, "fused"]})
    mrdib = MRdIB(list(views), 5, estimator=estimator, alpha_kl=1e-3, alpha_redundancy=0.01)
    modules = ModuleDict({"encoders": encoders, "heads": heads, "mrdib": mrdib})
    optimizer = torch.optim.Adam(modules.parameters(), lr=0.02)

    def step():
        codes = mrdib.compress({m: encoders[m](x) for m, x in views.items()}, generator)
        fused = torch.stack([code.sample for code in codes.values()]).sum(0)
        terms = {"prediction": F.cross_entropy(heads["fused"](fused), label)}
        terms |= mrdib(
            {"item": codes},
            Scores(alone={m: heads[m](z) for m, z in mrdib.decode(codes).items()}),
            lambda logits: F.cross_entropy(logits, label),
            generator=generator,
        )
        weights = {"prediction": 1.0, **mrdib.loss_weights}
        return terms, sum(weights[name] * term for name, term in terms.items())

    first, _ = step()
    for epoch in range(80):
        mrdib.prepare_epoch(epoch)
        optimizer.zero_grad()
        step()[1].backward()
        optimizer.step()
    last, _ = step()
    assert set(last) == {"prediction", "kl", "redundancy", "unique", "estimator"}
    assert last["prediction"] < 0.1 < first["prediction"]
    assert last["unique"] < 0.3 * first["unique"]
    modules.eval()
    fused = torch.stack(
        [c.sample for c in mrdib.compress({m: encoders[m](x) for m, x in views.items()}).values()]
    ).sum(0)
    assert (heads["fused"](fused).argmax(1) == label).float().mean() > 0.95
