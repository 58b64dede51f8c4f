"""Public checks for third parties: backbones, estimators and data sets."""
