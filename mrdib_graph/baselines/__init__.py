"""Closed-form baselines: every comparison shows them beside the trained backbones."""
