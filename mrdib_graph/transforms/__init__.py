"""Transforms from ``HeteroData`` to ``HeteroData``: splits, scaling and derived graphs."""
