import importlib.util
import random
import subprocess
import sys

import harness
import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from mrdib_graph.errors import DataError

NAMES = harness.names()
SECONDS = 2
"""Of coverage-guided fuzzing for each target: about half a minute in all."""


@pytest.fixture(autouse=True)
def _limits():
    with harness.quiet(), harness.bounded_memory():
        yield


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_and_inputs_near_it(name):
    target = harness.target(name)
    seeds = target.corpus()
    for seed in seeds:
        harness.check(target, seed)

    @hypothesis.settings(max_examples=25, deadline=None, database=None, derandomize=True)
    @hypothesis.given(st.randoms(use_true_random=False))
    def run(rng):
        harness.check(target, harness.mutate(target, seeds, rng))

    run()


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_holds_an_input_that_is_read_to_its_end(name, tmp_path):
    target = harness.target(name)

    def reads(number, seed):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            target.read(folder, seed)
        except DataError:
            return False
        return True

    assert any(reads(*pair) for pair in enumerate(target.corpus()))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_budget_of_fuzzing(name, tmp_path):
    command = [sys.executable, str(harness.HERE / "run.py"), name, f"--seconds={SECONDS}"]
    done = subprocess.run(
        [*command, f"--finds={tmp_path}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no find" in done.stdout
    guided = importlib.util.find_spec("atheris") is not None
    assert ("without coverage" in done.stdout) != guided


def test_what_a_target_may_not_do_is_found():
    def fails(_folder, data):
        if b"b" in data:
            raise KeyError("b")

    target = harness.Target("x", fails, lambda: [b"abc"])
    harness.check(target, b"ac")
    with pytest.raises(KeyError):
        harness.check(target, b"abc")

    def greedy(_folder, data):
        torch.empty(2**40, dtype=torch.uint8) if b"b" in data else np.empty(2**40, np.uint8)

    target = target._replace(read=greedy)
    with pytest.raises(MemoryError):
        harness.check(target, b"ac")
    with pytest.raises(RuntimeError, match="memory"):
        harness.check(target, b"abc")


def test_an_input_is_made_from_the_corpus_and_its_random_numbers():
    target = harness.target("lattice")
    seeds = target.corpus()
    made = [harness.mutate(target, seeds, random.Random(n)) for n in range(200)]
    assert made == [harness.mutate(target, seeds, random.Random(n)) for n in range(200)]
    assert len(set(made)) > 100 and max(map(len, made)) <= harness.LARGEST
    assert set(seeds) <= set(made)  # a draw without an edit is the seed itself


def test_an_unknown_target_is_named():
    done = subprocess.run(
        [sys.executable, str(harness.HERE / "run.py"), "absent"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "no target absent; there are feature_file" in done.stderr
