"""Two processes against one; what each of them saved is compared here."""

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from torch.nn import Parameter

from mrdib_graph import distributed

SCRIPT = Path(__file__).parent / "training" / "several_processes.py"


def load_script():
    spec = spec_from_file_location("several_processes", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SEVERAL = load_script()
ROUNDED = [name for name, more in SEVERAL.TRAINER.items() if "autocast" in more]
NAMES = [name for name, case in SEVERAL.CASES.items() if case[3] is not SEVERAL.SOME]
NAMES = [name for name in NAMES if name not in ROUNDED]  # a share's sums round otherwise
SAMPLED = [name for name, case in SEVERAL.CASES.items() if case[3]]


def torchrun(script: Path, *arguments: object, processes: int = 2) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), str(script), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=1200, env=environment, check=False
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What each of two processes saved."""
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(SCRIPT, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The same in this process."""
    return SEVERAL.train(tmp_path_factory.mktemp("one"))


def skip_without_sampler(name):
    if name in SAMPLED and not SEVERAL.SAMPLER:
        pytest.skip("sampling needs torch-sparse or pyg-lib (the extra 'sampling')")


def worst(one, other):
    assert one.keys() == other.keys()
    return max(float((one[n].double() - other[n].double()).abs().max()) for n in one)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_two_processes_train_as_one(one, two, name):
    skip_without_sampler(name)
    mine, first = one[name], two[0]["cases"][name]
    assert first["loss"] == pytest.approx(mine["loss"], abs=1e-5)
    assert worst(first["weights"], mine["weights"]) < 1e-5
    assert first["test"] == pytest.approx(mine["test"], abs=1e-9)
    assert torch.equal(first["positives"], mine["positives"])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SEVERAL.CASES))
def test_both_processes_end_with_the_same_bits_and_one_logs(two, name):
    skip_without_sampler(name)
    first, second = (each["cases"][name] for each in two)
    assert worst(first["weights"], second["weights"]) == 0
    assert first["test"] == second["test"] and torch.equal(first["ranks"], second["ranks"])
    assert (first["told"], second["told"]) == ([0], [])


@pytest.mark.slow
def test_the_interrupt_of_one_process_stops_all_and_they_go_on_to_the_same_bits(two):
    for each in two:
        found = each["resume"]
        assert found["stopped"]
        assert found["files"] == ["vbpr.ckpt"]
        assert worst(found["resumed"], found["whole"]) == 0


@pytest.mark.slow
def test_functions_agree_over_processes(two):
    first, second = (each["functions"] for each in two)
    assert first["size"] == second["size"] == 2
    assert first["shards"] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert second["shards"] == [(0, 0), (1, 1), (2, 4), (3, 5)]
    for each in (first, second):
        assert each["any"] == [True, False]
        assert each["concatenated"].tolist() == [[0, 0, 1], [0, 0, 1]]
        summed, of_first, none = each["gradients"]
        assert summed.tolist() == [3, 3] and of_first.tolist() == [5, 5] and none is None
        assert each["copied"][0].tolist() == [0, 0, 0] and bool(each["copied"][1])
        assert each["different"].startswith("the test's number is 1.0, 2.0 in the processes")
        assert "only once" in each["again"]


def test_one_process_passes_everything_through():
    with distributed.processes():
        assert (distributed.size(), distributed.rank()) == (1, 0)
    assert distributed.shard(5) == slice(0, 5)
    assert distributed.any_process(True) and not distributed.any_process(False)
    mine = torch.arange(3)
    assert distributed.concatenate(mine) is mine
    parameter = Parameter(torch.ones(1))
    distributed.sum_gradients([parameter])
    distributed.copy_first([mine])
    distributed.check_same(1.0, "a number")
    assert parameter.grad is None and mine.tolist() == [0, 1, 2]
    assert distributed.local_device("cuda") == "cuda"
    with distributed.first_goes_first():
        pass

    def encode(users, items):
        return {"user": {"id": users}, "item": {"id": items}}

    rows = distributed.split_rows(encode, mine, mine)
    assert rows["user"]["id"] is mine
