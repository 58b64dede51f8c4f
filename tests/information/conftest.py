import pytest
import torch

from mrdib_graph.datasets.planted.planted import Planted
from mrdib_graph.information.held_out_choices import held_out_choices


@pytest.fixture(scope="session")
def planted():
    return Planted.calibration(num_users=800, num_items=300, num_interactions=16_000)


@pytest.fixture(scope="session")
def data(planted):
    return planted[0]


@pytest.fixture(scope="session")
def codes(planted):
    return planted.oracle_codes()


@pytest.fixture(scope="session")
def rows(data):
    return held_out_choices(data, "val+test", 5, 16, 20_000, 0)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
