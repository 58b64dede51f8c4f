"""Multimodal recommendation on graphs, with the MRdIB loss module."""

__version__ = "0.1.0"
