import importlib.util
import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/amazon_build.py"


@pytest.mark.slow
def test_a_small_build_is_measured(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("amazon_build", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    sizes = ["--users", "200", "--items", "100", "--rows", "2000", "--interactions", "ratings"]
    monkeypatch.setattr(sys, "argv", ["amazon_build.py", "--work", str(tmp_path), *sizes])
    script.main()
    raw, found = map(json.loads, capsys.readouterr().out.splitlines())
    assert raw["raw"]["ratings_Electronics.csv"] > 0
    assert found["from"] == "ratings" and found["items"] == 100
    assert 0 < found["imports_gb"] <= found["build_gb"] <= found["read_gb"] < 4
