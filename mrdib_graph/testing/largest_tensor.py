"""Watch the size of everything that is computed, for claims about memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class LargestTensor(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within the context, the largest strided tensor that any operation returned.

    Backward passes on the CPU are seen too.  A sparse tensor counts as nothing: its parts are
    tensors of their own.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.num_values = 0
        self.shape: tuple[int, ...] = ()
        self.operation = "none"

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, Tensor) and tensor.layout == torch.strided:
                # an expanded view holds no more than its storage
                stored = tensor.untyped_storage().nbytes() // tensor.element_size()
                size = min(tensor.numel(), stored)
                if size > self.num_values:
                    self.num_values, self.shape = size, tuple(tensor.shape)
                    self.operation = str(func)
        return out
