"""Approximate k nearest neighbours by cosine with FAISS, for very large catalogues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from mrdib_graph.errors import MissingExtraError
from mrdib_graph.nn.knn import check_k, knn, knn_of_rows

REDUCED = 128
"""Wider rows are searched in this many principal directions, and ranked in all columns."""

SAMPLE = 256
"""Rows on which the recall is measured, and as many others on which the effort is chosen."""

_EFFORTS = ((8, 4), (16, 4), (32, 8), (64, 16), (128, 32), (256, 32))
"""Cells that are looked at and, where rows were reduced, candidates a neighbour."""

_GRID = float(2**20)  # ties as in the exact search
_BLOCK_VALUES = 2**22


class Neighbors(NamedTuple):
    """Neighbours ``index`` [I, k], their cosines ``value`` [I, k], and how many were found.

    ``recall`` is the share of the true neighbours, the item itself left out, that a sample of rows
    has; a neighbour as near as the last true one counts.  An exact search has 1.
    """

    index: Tensor  # type: ignore[assignment]
    value: Tensor
    recall: float


@torch.no_grad()
def faiss_knn(
    x: Tensor, k: int, mask: Tensor | None = None, min_recall: float = 0.95, seed: int = 0
) -> Neighbors:
    r"""As :func:`mrdib_graph.nn.knn`, by an inverted file: about :math:`I^{1.5}` instead of
    :math:`I^2` products.

    The rows are put into :math:`4 \sqrt I` cells by spherical k-means ("The Faiss library",
    Douze et al., arXiv 2401.08281), and each row is compared with those in the nearest
    cells; the fewest of 8, 16, .. 256 cells that reach ``min_recall`` on a sample are used, the
    last where none does.  Where d is above 128 the search runs in 128 principal directions of a
    sample, which find 4 to 32 candidates a neighbour, the more the more cells.  Candidates are
    ranked by their cosine in all columns, so every value is exact, ties as in the exact search;
    which of many equal rows are found is not defined.  One seed gives one result.

    Args:
        x: Rows [I, d], of any floating type; read in blocks, so they may be on disk.
        k: Neighbours per row, itself included, at most I.
        mask: Rows that exist [I] bool; a missing row's neighbours have value 0.
        min_recall: What to search for; see :class:`Neighbors`.
        seed: Of the sample and of the cells.

    Raises:
        ConfigError: k is not in 1..I.
        MissingExtraError: FAISS is not installed.
    """
    check_k(k, x.size(0))
    device, x = x.device, x.cpu()
    there = torch.arange(x.size(0)) if mask is None else mask.cpu().nonzero().squeeze(1)
    if there.numel() <= max(k, 2 * SAMPLE):  # too few for cells
        index, value = knn(x, k, None if mask is None else mask.cpu())
        return Neighbors(index.to(device), value.to(device), 1.0)
    generator = Generator().manual_seed(seed)
    search = _Search(x, there, k, generator, seed)
    sample = there[torch.randperm(there.numel(), generator=generator)[: 2 * SAMPLE]]
    _, truth = knn_of_rows(x, sample, k, None if mask is None else mask.cpu())
    tuning, held_out = slice(0, SAMPLE), slice(SAMPLE, None)
    for probes, candidates in _EFFORTS:
        search.look_at(probes, candidates)
        if _recall(search.rows(sample[tuning])[1], truth[tuning]) >= min_recall:
            break
    index = torch.empty(x.size(0), k, dtype=torch.int64)
    value = torch.zeros(x.size(0), k)
    for rows in _blocks(there, x.size(1) * search.candidates):
        index[rows], value[rows] = search.rows(rows)
    if mask is not None:
        missing = (~mask.cpu()).nonzero()
        index[~mask.cpu()] = torch.cat([missing, there[: k - 1].expand(missing.size(0), -1)], 1)
    recall = _recall(value[sample[held_out]], truth[held_out])
    return Neighbors(index.to(device), value.to(device), recall)


class _Search:
    """An index of the rows that exist."""

    def __init__(self, x: Tensor, there: Tensor, k: int, generator: Generator, seed: int) -> None:
        faiss = import_faiss()
        faiss.omp_set_num_threads(torch.get_num_threads())
        self.x, self.there, self.k = x, there, k
        self.axes = _directions(x, there, generator) if x.size(1) > REDUCED else None
        self.width = x.size(1) if self.axes is None else REDUCED
        self.candidates = k + 1
        cells = min(int(4 * there.numel() ** 0.5), there.numel() // 8)
        quantizer = faiss.IndexFlatIP(self.width)
        self.index: Any = faiss.IndexIVFFlat(
            quantizer, self.width, cells, faiss.METRIC_INNER_PRODUCT
        )
        training = self.index.cp
        training.seed, training.spherical, training.niter = seed + 1, True, 10
        training.min_points_per_centroid, training.max_points_per_centroid = 1, 64
        some = there[torch.randperm(there.numel(), generator=generator)[: 64 * cells]]
        self.index.train(self._reduced(some).numpy())
        for rows in _blocks(there, x.size(1)):
            self.index.add(self._reduced(rows).numpy())

    def look_at(self, probes: int, candidates: int) -> None:
        """Set the cells a row is compared with, and the candidates a neighbour."""
        self.index.nprobe = min(probes, self.index.nlist)
        wanted = 1 + self.k * (1 if self.axes is None else candidates)
        self.candidates = min(wanted, self.there.numel())

    def rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Neighbours and cosines of some rows, both [n, k], the row itself first."""
        _, found = self.index.search(self._reduced(rows).numpy(), self.candidates)
        place = torch.from_numpy(found)
        near = torch.where(place >= 0, self.there[place.clamp(min=0)], rows.unsqueeze(1))
        near = torch.cat([rows.unsqueeze(1), near], 1).sort(1).values
        query, other = self._unit(rows), self._unit(near.flatten()).view(*near.shape, -1)
        cosine = torch.einsum("nd,ncd->nc", query, other)
        rank = (cosine * _GRID).round_()
        rank[near == rows.unsqueeze(1)] = 4 * _GRID
        rank[:, 1:][near[:, 1:] == near[:, :-1]] = -4 * _GRID  # once is enough
        place = rank.sort(dim=1, descending=True, stable=True).indices[:, : self.k]
        index, value = near.gather(1, place), cosine.gather(1, place)
        short = (rank.gather(1, place) == -4 * _GRID).any(1)
        if bool(short.any()):  # the cells that were looked at hold fewer than k rows
            mask = torch.zeros(self.x.size(0), dtype=torch.bool)
            mask[self.there] = True
            index[short], value[short] = knn_of_rows(self.x, rows[short], self.k, mask)
        return index, value

    def _unit(self, rows: Tensor) -> Tensor:
        return F.normalize(self.x[rows].float(), dim=-1, eps=1e-12)

    def _reduced(self, rows: Tensor) -> Tensor:
        unit = self._unit(rows)
        return unit if self.axes is None else F.normalize(unit @ self.axes, dim=-1, eps=1e-12)


def import_faiss() -> Any:
    """FAISS, or the error that names what to install.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("faiss-cpu", "ann", "an approximate neighbour search") from error
    return faiss


def _directions(x: Tensor, there: Tensor, generator: Generator) -> Tensor:
    """Leading right singular vectors [d, 128] of a sample of rows, by subspace iteration."""
    rows = there[torch.randperm(there.numel(), generator=generator)[:8192]]
    sample = F.normalize(x[rows].float(), dim=-1, eps=1e-12)
    axes = torch.randn(x.size(1), REDUCED, generator=generator)
    for _ in range(4):
        axes = torch.linalg.qr(sample.T @ (sample @ axes)).Q
    return axes


def _recall(value: Tensor, truth: Tensor) -> float:
    """Share of found cosines [n, k] that are among the k largest, the first one, itself, aside."""
    if truth.size(1) == 1:
        return 1.0
    return float((value[:, 1:] >= truth[:, -1:] - 2 / _GRID).float().mean())


def _blocks(rows: Tensor, width: int) -> Iterator[Tensor]:
    size = max(1, _BLOCK_VALUES // width)
    for start in range(0, rows.numel(), size):
        yield rows[start : start + size]
