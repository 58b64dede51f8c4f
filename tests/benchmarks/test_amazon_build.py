import json
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_small_build_is_measured(tmp_path: Path, run_script) -> None:
    sizes = ["--users", "200", "--items", "100", "--rows", "2000", "--interactions", "ratings"]
    done = run_script("amazon_build", "--work", str(tmp_path), *sizes)
    raw, found = map(json.loads, done.stdout.splitlines())
    assert raw["raw"]["ratings_Electronics.csv"] > 0
    assert found["from"] == "ratings" and found["items"] == 100
    assert 0 < found["imports_gb"] <= found["build_gb"] <= found["read_gb"] < 4
