"""Estimators of the mutual information between two codes."""
