"""A network over three views of a tumour with MRdIB between encoders and head, and its training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleDict, ReLU, Sequential
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from mrdib_graph import MRdIB
from mrdib_graph.controls import Noise
from mrdib_graph.mrdib import Scores

VIEWS = {"mean": slice(0, 10), "error": slice(10, 20), "worst": slice(20, 30)}  # columns
DIM = 16  # width of a code


class Network(Module):
    """An encoder a view, MRdIB or noise or nothing on the codes, a linear head on all codes."""

    def __init__(
        self, hidden: int = 0, std: float = 0.0, options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.encoders = ModuleDict({v: encoder(hidden) for v in VIEWS})
        self.head = Linear(DIM * len(VIEWS), 1)
        self.alone = ModuleDict({v: Linear(DIM, 1) for v in VIEWS})  # for the unique losses
        self.noise = Noise(list(VIEWS), std)
        self.mrdib = None if options is None else MRdIB(list(VIEWS), DIM, **options)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor], Mapping[str, Any]]:
        """Columns [n, 30] to logits [n], codes [n, d] by view, and MRdIB's codes."""
        z = {v: self.encoders[v](x[:, columns]) for v, columns in VIEWS.items()}
        z = self.noise.perturb({"row": z})["row"]
        codes = self.mrdib.compress(z) if self.mrdib is not None else {}
        z |= {v: code.sample for v, code in codes.items()}
        return self.head(torch.cat([z[v] for v in VIEWS], 1)).squeeze(1), z, codes

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The prediction loss on all codes, plus MRdIB's weighted terms."""
        logits, z, codes = self(x)
        loss = cross_entropy(logits, y)
        if self.mrdib is not None:
            alone = {v: self.alone[v](z[v]).squeeze(1) for v in VIEWS}
            terms = self.mrdib(
                {"row": codes},
                Scores(logits, alone),
                target_loss=lambda scores: cross_entropy(scores, y),
                redundancy_on=["row"],
            )
            loss = loss + sum(self.mrdib.loss_weights[name] * t for name, t in terms.items())
        return loss


def encoder(hidden: int) -> Module:
    """From a view's ten columns to its code; linear without hidden units."""
    if hidden:
        return Sequential(Linear(10, hidden), ReLU(), Linear(hidden, DIM))
    return Linear(10, DIM)


def train_network(
    network: Network, x: np.ndarray, y: np.ndarray, epochs: int, weight_decay: float
) -> Network:
    """Full batches of standardised columns [n, 30] and labels 0 or 1 [n], AdamW, no early stop."""
    inputs, target = (torch.as_tensor(a, dtype=torch.float32) for a in (x, y))
    own: list[Tensor] = []  # MRdIB's parameters, which do not decay
    rest: list[Tensor] = []
    for name, parameter in network.named_parameters():
        (own if name.startswith("mrdib.") else rest).append(parameter)
    groups: list[dict[str, Any]] = [{"params": rest}, {"params": own, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.02, weight_decay=weight_decay)
    for epoch in range(epochs):
        if network.mrdib is not None:
            network.mrdib.prepare_epoch(epoch)
        optimizer.zero_grad()
        network.loss(inputs, target).backward()
        optimizer.step()
    return network.eval()
