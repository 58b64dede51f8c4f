"""Raw texts and images to feature rows, with a record of where each row came from.

Encoders are optional: without one, precomputed features are the way in, or TF-IDF with a truncated
SVD, which needs nothing beyond the library's own requirements and is named as such.
"""

from mrdib_graph.features.feature_folder import load_features, read_provenance, write_features
from mrdib_graph.features.features import Features
from mrdib_graph.features.image_encoding import encode_images
from mrdib_graph.features.provenance import Provenance
from mrdib_graph.features.text_encoding import encode_text

__all__ = [
    "encode_images",
    "encode_text",
    "Features",
    "load_features",
    "Provenance",
    "read_provenance",
    "write_features",
]
