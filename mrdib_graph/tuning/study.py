"""The trials of one arm, in a storage that several processes share."""

from __future__ import annotations

import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from mrdib_graph.errors import ConfigError, MissingExtraError, TrainingError
from mrdib_graph.tuning.search_space import Dimensions

HEARTBEAT_SECONDS = 10
"""How often a running trial says that it lives."""
SILENCE_SECONDS = 60
"""After this long without a sign, a trial's process counts as killed and its place is free."""
POLL_SECONDS = 2.0


class Outcome(NamedTuple):
    """What a trial gave."""

    value: float
    best_epochs: tuple[int, ...] = ()
    seconds: float = 0.0


Objective = Callable[[int, dict[str, Any]], Outcome]
"""A trial's number and settings to what they gave."""


class _NoPlaceLeftError(Exception):
    """Another process took the last place."""


class ArmStudy:
    """An arm's search by the tree-structured Parzen estimator (`"Algorithms for Hyper-Parameter
    Optimization" <https://papers.nips.cc/paper/4443-algorithms-for-hyper-parameter-optimization>`_)
    of optuna.

    Exactly ``trials`` places are given out, whoever asks for them.  A place whose process was
    killed or interrupted is given out again; one whose training had to stop, since a loss was not
    finite, counts.  The sampler of a place is seeded by ``seed`` and its number, so one process
    that is stopped and started again tries what it would have tried, and all arms begin alike.

    Args:
        storage: A database's URL.
        name: Name of the study.
        space: What is searched; settings of equal names and order begin alike in every arm.
        trials: Number of places.
        seed: Of the sampler.
        made_with: Text that all processes of a study must agree on.
        start: Settings that the first place tries, as far as the space has them.

    Raises:
        MissingExtraError: optuna is absent.
        ConfigError: The storage cannot be opened, or its study was made with something else.
    """

    def __init__(
        self,
        storage: str,
        name: str,
        space: Dimensions,
        trials: int,
        seed: int,
        made_with: str,
        start: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            import optuna
        except ImportError as error:
            raise MissingExtraError("optuna", "tune", "--tune") from error
        self._optuna = optuna
        self.space = space
        self.trials = trials
        self.seed = seed
        with self._quiet():
            self._study = self._open(storage, name, made_with)
        self._start: dict[str, Any] = {}
        for key, dimension in space.items():
            self._start |= dimension.fixed(key, (start or {}).get(key))

    def _open(self, storage: str, name: str, made_with: str) -> Any:
        path = sqlite_path(storage)
        lock: Any = nullcontext()
        if path is not None:
            from filelock import FileLock

            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{path}.lock", timeout=120)
        try:
            with lock:  # one process makes the tables
                database = self._optuna.storages.RDBStorage(
                    storage,
                    engine_kwargs={} if path is None else {"connect_args": {"timeout": 60}},
                    heartbeat_interval=HEARTBEAT_SECONDS,
                    grace_period=SILENCE_SECONDS,
                )
                study = self._optuna.create_study(
                    study_name=name, storage=database, direction="maximize", load_if_exists=True
                )
        except Exception as error:  # SQLAlchemy, its drivers and optuna have families of their own
            text = " ".join(str(error).split())
            raise ConfigError(f"tune_storage '{storage}': cannot be opened: {text}") from error
        if study.user_attrs.get("made_with", made_with) != made_with:
            raise ConfigError(
                f"tune_storage '{storage}': the study '{name}' there was made with other data, "
                "settings, seeds or search space; give another --tune-storage"
            )
        study.set_user_attr("made_with", made_with)
        return study

    def work(self, objective: Objective) -> None:
        """Run trials until no place is free; others may still be running."""
        while len(self._taken()) < self.trials:
            if self._start and not any(t.user_attrs.get("start") for t in self._live()):
                self._study.enqueue_trial(self._start, user_attrs={"start": True})
            with self._quiet():
                self._study.optimize(
                    lambda trial: self._run(trial, objective),
                    n_trials=1,
                    catch=(_NoPlaceLeftError,),
                )

    def complete(self, objective: Objective, say: Callable[[str], None] = print) -> None:
        """Work, and wait for other processes, until every place has ended."""
        told = False
        while True:
            self.work(objective)
            running = self.trials - len(self.results())
            if not running:
                return
            if not told:
                say(
                    f"{self._study.study_name}: waiting for {running} trials of other processes "
                    f"(a process that was killed is given up after {SILENCE_SECONDS} s)"
                )
                told = True
            time.sleep(POLL_SECONDS)
            self._give_up_silent()

    def results(self) -> list[tuple[dict[str, Any], Outcome | None]]:
        """Settings and outcome of the places that have ended, in order; None for a failed one."""
        ended = [t for t in self._taken() if t.state.is_finished()]
        found = []
        for trial in sorted(ended, key=lambda t: int(t.user_attrs["place"])):
            outcome = None
            if trial.value is not None:
                best_epochs, seconds = trial.user_attrs["outcome"]
                outcome = Outcome(trial.value, tuple(best_epochs), seconds)
            found.append((dict(trial.user_attrs["settings"]), outcome))
        return found

    def _live(self) -> list[Any]:
        """Trials that wait, run or have ended with a result, oldest first."""
        failed = self._optuna.trial.TrialState.FAIL
        return [t for t in self._study.get_trials(deepcopy=False) if t.state != failed]

    def _taken(self) -> list[Any]:
        """Trials that hold a place, or are about to."""
        waiting = self._optuna.trial.TrialState.WAITING
        return [
            t
            for t in self._live()
            if t.state != waiting and t.user_attrs.get("place", 0) < self.trials
        ]

    def _run(self, trial: Any, objective: Objective) -> float:
        place = self._take_place(trial)
        seed = zlib.crc32(f"{self.seed}/{place}".encode())
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=seed, multivariate=False, constant_liar=True
        )
        settings = {key: dim.suggest(trial, key) for key, dim in self.space.items()}
        trial.set_user_attr("settings", settings)
        try:
            outcome = objective(place, settings)
        except TrainingError as error:
            raise self._optuna.TrialPruned(str(error)) from error
        trial.set_user_attr("outcome", [list(outcome.best_epochs), outcome.seconds])
        return outcome.value

    def _take_place(self, trial: Any) -> int:
        """The lowest place that no older trial holds."""
        while True:  # older ones take theirs within milliseconds
            older = [t for t in self._taken() if t.number < trial.number]
            if all("place" in t.user_attrs for t in older):
                break
            time.sleep(0.02)
            self._give_up_silent()
        held = {t.user_attrs["place"] for t in older}
        free = [place for place in range(self.trials) if place not in held]
        if not free:
            raise _NoPlaceLeftError
        trial.set_user_attr("place", free[0])
        return free[0]

    def _give_up_silent(self) -> None:
        with self._quiet():
            self._optuna.storages.fail_stale_trials(self._study)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Without optuna's log and its notes on features that are young."""
        before = self._optuna.logging.get_verbosity()
        self._optuna.logging.set_verbosity(self._optuna.logging.CRITICAL)
        try:
            with warnings.catch_warnings():
                young = self._optuna.exceptions.ExperimentalWarning
                warnings.simplefilter("ignore", category=young)
                yield
        finally:
            self._optuna.logging.set_verbosity(before)


def storage_url(text: str) -> str:
    """A database's URL as it is; a file's name as the URL of a SQLite database."""
    return text if "://" in text else f"sqlite:///{Path(text).absolute().as_posix()}"


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite database; None for another one."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
