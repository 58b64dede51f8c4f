"""L2 terms, named after what the field's releases compute (they differ in square and divisor)."""

from __future__ import annotations

import torch
from torch import Tensor


def emb_norm(*rows: Tensor) -> Tensor:
    r"""Sum of **un-squared** Frobenius norms over the rows of the last argument.

    .. math::
        \frac{\lVert a \rVert_F + \lVert b \rVert_F + \dots}{n_\text{last}}

    Shapes:
        each [n, d] -> [].
    """
    total = torch.stack([r.norm() for r in rows]).sum()
    return total / rows[-1].size(0)


def l2_half(*rows: Tensor, divisor: int | None = None) -> Tensor:
    r"""Half the squared norms per row.

    .. math::
        \frac{\lVert a \rVert^2 + \lVert b \rVert^2 + \dots}{2 B}

    Args:
        rows: Each [n, d].
        divisor: B; the rows of the first argument by default.  Releases divide a smaller last
            batch by the configured batch size too.
    """
    total = torch.stack([r.square().sum() for r in rows]).sum()
    return total / (2 * (divisor or rows[0].size(0)))
