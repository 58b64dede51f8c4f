"""How much information each modality carries about the user's choice, in bits."""

from mrdib_graph.information.gaussian_curve import gaussian_curve
from mrdib_graph.information.gaussian_union import UnionResult, gaussian_union
from mrdib_graph.information.knock_out import KnockOut, replace_codes
from mrdib_graph.information.pid import broja, dependency, mutual_information, split
from mrdib_graph.information.profile import information_profile
from mrdib_graph.information.profile_config import ProfileConfig
from mrdib_graph.information.result import (
    Bits,
    InformationProfile,
    ModalityInformation,
    PairInformation,
)
from mrdib_graph.partial_information import PartialInformation

__all__ = [
    "Bits",
    "InformationProfile",
    "PartialInformation",
    "KnockOut",
    "ModalityInformation",
    "PairInformation",
    "ProfileConfig",
    "UnionResult",
    "broja",
    "dependency",
    "gaussian_curve",
    "gaussian_union",
    "information_profile",
    "mutual_information",
    "replace_codes",
    "split",
]
