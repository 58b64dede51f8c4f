"""Several processes that train one recommender, started by ``torchrun``.

The one idea: every process holds the whole recommender and sees the same batch.  Each encodes its
share of the batch's distinct nodes; the rows are gathered, so that every process computes the loss
of the **whole** batch, whatever its terms are; and the gradients of ``loss / size`` are summed.
A term that is no mean over triplets (a norm, a mean over distinct nodes, a critic) needs no care,
and the result is that of one process but for the order in which numbers are added.

Nothing here acts before :func:`processes` was entered, and with one process everything passes
through as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from mrdib_graph.errors import ConfigError, TrainingError
from mrdib_graph.typing import Embeddings

_TIMEOUT = timedelta(days=1)  # one process may write a report while the others wait
_joined = False


@contextmanager
def processes() -> Iterator[None]:
    """Join the processes that ``torchrun`` started, if it did; leave them at the end.

    CPU tensors travel by gloo, those of a GPU by NCCL.

    Raises:
        ConfigError: The processes cannot reach one another, or were joined already.
    """
    global _joined
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if _joined or dist.is_initialized():
        raise ConfigError("processes: this process belongs to a group already; join only once")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, timeout=_TIMEOUT)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"processes: cannot join the others: {error}") from error
    _joined = True
    try:
        yield
    finally:
        _joined = False
        dist.destroy_process_group()


def size() -> int:
    """Number of processes; 1 outside :func:`processes`."""
    return dist.get_world_size() if _joined else 1


def rank() -> int:
    """Number of this process, from 0; the first one writes, logs and prints."""
    return dist.get_rank() if _joined else 0


def local_device(name: str) -> str:
    """The GPU of this process in place of ``'cuda'``: each process of a machine has its own.

    Raises:
        ConfigError: There are more processes on this machine than GPUs.
    """
    if not _joined or name != "cuda":
        return name
    mine, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if mine >= gpus:
        raise ConfigError(f"device: {mine + 1} or more processes for {gpus} GPUs; start fewer")
    torch.cuda.set_device(mine)
    return f"cuda:{mine}"


def shard(count: int) -> slice:
    """This process's share of ``count`` rows: contiguous, the shares in the order of processes."""
    each = -(-count // size())
    return slice(min(rank() * each, count), min((rank() + 1) * each, count))


def split_rows(
    encode: Callable[[Tensor, Tensor], Embeddings], users: Tensor, items: Tensor
) -> Embeddings:
    """Rows of all nodes of a batch, of which this process encodes its share.

    Args:
        encode: Users [n], items [k] to their rows by name; what it gives beside users and items
            is taken to be the same in every process.
        users: The same in every process.
        items: The same in every process.
    """
    if size() == 1:
        return encode(users, items)
    counts = {"user": users.numel(), "item": items.numel()}
    rows = encode(users[shard(users.numel())], items[shard(items.numel())])
    for node_type, count in counts.items():
        names, tables = list(rows[node_type]), list(rows[node_type].values())
        beside = _Gather.apply(torch.cat(tables, dim=1), count)  # type: ignore[no-untyped-call]
        parts = beside.split([table.size(1) for table in tables], dim=1)
        rows = {**rows, node_type: dict(zip(names, parts, strict=True))}
    return rows


class _Gather(torch.autograd.Function):
    """Every process's rows, from its share [n, d] of them: [count, d].

    Every process computes the same loss on the same rows, so the gradient of the sum over processes
    is ``size`` times its own, and nothing need be sent back.
    """

    @staticmethod
    def forward(ctx: Any, mine: Tensor, count: int) -> Tensor:
        ctx.count = count
        each = -(-count // size())
        padded = mine.new_zeros(each, mine.size(1))
        padded[: mine.size(0)] = mine
        parts = [torch.empty_like(padded) for _ in range(size())]
        dist.all_gather(parts, padded)
        return torch.cat(parts)[:count]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0][shard(ctx.count)] * size(), None


def sum_gradients(parameters: Iterable[Parameter]) -> None:
    """Add up each parameter's gradient over the processes.

    A parameter that has a gradient in one process gets one in all; one that has none stays without.
    """
    if size() == 1:
        return
    chosen = [p for p in parameters if p.requires_grad]
    has = torch.tensor([p.grad is not None for p in chosen], dtype=torch.uint8)
    dist.all_reduce(has, dist.ReduceOp.MAX)
    for parameter, present in zip(chosen, has.tolist(), strict=True):
        if present:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any process: a decision that all take alike."""
    if size() == 1:
        return flag
    found = torch.tensor(int(flag))
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return bool(found)


def concatenate(mine: Tensor) -> Tensor:
    """The processes' tensors one after the other along the last dimension, on the CPU."""
    if size() == 1:
        return mine
    mine = mine.cpu()
    counts = [torch.zeros((), dtype=torch.int64) for _ in range(size())]
    dist.all_gather(counts, torch.tensor(mine.size(-1)))
    most = int(max(counts))
    padded = mine.new_zeros(*mine.shape[:-1], most)
    padded[..., : mine.size(-1)] = mine
    parts = [torch.empty_like(padded) for _ in range(size())]
    dist.all_gather(parts, padded)
    return torch.cat([part[..., : int(n)] for part, n in zip(parts, counts, strict=True)], dim=-1)


def copy_first(tensors: Iterable[Tensor]) -> None:
    """Overwrite the tensors with those of the first process."""
    if size() > 1:
        for tensor in tensors:  # gloo knows no bool
            dist.broadcast(tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor, 0)


def check_same(value: float, what: str) -> None:
    """Check that a number is the same in all processes.

    Raises:
        TrainingError: It is not, so they no longer train one recommender.
    """
    if size() == 1:
        return
    values = concatenate(torch.tensor([value], dtype=torch.float64))
    if not bool((values == values[0]).all()):
        raise TrainingError(
            f"{what} is {', '.join(map(repr, values.tolist()))} in the processes, and must be the "
            "same in all: give each the same data, settings and versions"
        )


@contextmanager
def first_goes_first() -> Iterator[None]:
    """The first process runs the block before the others do, for example to fetch data."""
    if size() > 1 and rank() > 0:
        dist.barrier()
    yield
    if size() > 1 and rank() == 0:
        dist.barrier()
