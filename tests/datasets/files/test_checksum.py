import hashlib

import pytest

from mrdib_graph.datasets.files.checksum import verify
from mrdib_graph.errors import DataError


def test_verify(tmp_path):
    path = tmp_path / "set.inter"
    path.write_bytes(b"userID\titemID\n")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    verify(path, found, "")
    with pytest.raises(DataError, match=f"set.inter: sha256 is {found}, expected 00; delete it"):
        verify(path, "00", "delete it")
