"""Layers for anybody's model."""
