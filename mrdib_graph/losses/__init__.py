"""Ranking and regularisation losses."""
