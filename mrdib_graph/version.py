"""The version of the package, on the ground floor so that everything may read it."""

__version__ = "0.1.0"
