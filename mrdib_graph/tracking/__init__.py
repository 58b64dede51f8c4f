"""Trackers: none, console, several, MLflow."""
