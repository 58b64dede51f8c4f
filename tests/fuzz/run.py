"""Fuzz the readers: ``python tests/fuzz/run.py [TARGET ...] [--seconds N]``.

With atheris (``pip install 'mrdib-graph[fuzz]'``) coverage guides the inputs; without it hypothesis
mutates the corpus.  A find ends its target: the traceback is printed and the input kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
GUIDED_BY = ["mrdib_graph"]
"""Packages whose branches count as coverage; with OmegaConf's, settings are read too slowly."""
SLOWEST, RESIDENT = 120, 2048
"""Seconds that one input may take, on a busy machine, and megabytes of memory, torch included."""


def main() -> int:
    """Run each target in a process of its own; 1 where one of them has a find."""
    known = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.py"))
    parser = argparse.ArgumentParser(description="Fuzz the readers.")
    parser.add_argument("names", nargs="*", metavar="TARGET", help=f"of {', '.join(known)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--finds", type=Path, default=Path("fuzz_finds"), metavar="DIR")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.names) - set(known):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if args.here:
        guided = importlib.util.find_spec("atheris") is not None
        (_guided if guided else _unguided)(args.names[0], args.seconds, args.finds)
        return 0
    failed = []
    for name in args.names or known:
        print(f"== {name}", flush=True)
        command = [sys.executable, __file__, name, "--here", f"--seconds={args.seconds}"]
        with tempfile.TemporaryDirectory() as work:  # libFuzzer ends its process without cleaning
            made = os.environ | {"TMPDIR": work}
            done = subprocess.run([*command, f"--finds={args.finds}"], check=False, env=made)
        if done.returncode:
            failed.append(name)
    print(f"finds in: {', '.join(failed)}" if failed else "no find")
    return int(bool(failed))


def _guided(name: str, seconds: int, finds: Path) -> None:
    """Inputs from libFuzzer, which ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=GUIDED_BY):
        import harness

        target = harness.target(name)
    finds.mkdir(parents=True, exist_ok=True)
    corpus = Path(tempfile.mkdtemp(prefix="corpus"))
    for number, seed in enumerate(target.corpus()):
        (corpus / str(number)).write_bytes(seed)
    tokens = corpus.with_suffix(".tokens")
    escaped = ("".join(f"\\x{byte:02x}" for byte in token[:64]) for token in target.tokens)
    tokens.write_text("".join(f'"{token}"\n' for token in escaped))
    flags = [
        f"-max_total_time={seconds}", f"-max_len={harness.LARGEST}", f"-timeout={SLOWEST}",
        f"-rss_limit_mb={RESIDENT}", f"-dict={tokens}", f"-artifact_prefix={finds}/{name}-",
        "-verbosity=0", "-print_final_stats=1", "-seed=1",
    ]  # fmt: skip
    with harness.quiet(), harness.bounded_memory():
        atheris.Setup([sys.argv[0], *flags, str(corpus)], lambda data: harness.check(target, data))
        atheris.Fuzz()


def _unguided(name: str, seconds: int, finds: Path) -> None:
    """Inputs from hypothesis, 200 at a time until the time is over."""
    import harness
    import hypothesis
    from hypothesis import strategies as st

    print("atheris is not installed: hypothesis mutates the corpus, without coverage")
    target = harness.target(name)
    seeds, end, last = target.corpus(), time.monotonic() + seconds, b""

    @hypothesis.settings(max_examples=200, deadline=None, database=None)
    @hypothesis.given(st.randoms(use_true_random=False))
    def run(rng) -> None:
        nonlocal last
        last = harness.mutate(target, seeds, rng)
        harness.check(target, last)

    with harness.quiet(), harness.bounded_memory():
        for seed in itertools.count():
            if time.monotonic() > end:
                return
            try:
                hypothesis.seed(seed)(run)()
            except Exception:
                finds.mkdir(parents=True, exist_ok=True)
                (finds / f"{name}-crash").write_bytes(last)
                raise


if __name__ == "__main__":
    sys.exit(main())
