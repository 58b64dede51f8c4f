"""What a run of the main job can be told: defaults < settings file < flags, all checked by type.

Reading a configuration imports neither torch nor any backbone, so a wrong key fails before any data
is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mrdib_graph import resolver
from mrdib_graph.errors import ConfigError, suggest
from mrdib_graph.experiment import old_schema
from mrdib_graph.options import Count, NonNegative, Positive, Seed, checked
from mrdib_graph.training.trainer_config import TrainerConfig

Placement = Literal["inline", "auxiliary"]

DEFAULT_BASELINES = ["popularity", "itemknn", "ease", "content-knn", "ease+content"]
"""Closed forms beside every comparison; those that read content where the data have any."""

# Flags that win over what an arm has of its own, in stored settings or a settings file.
_ARM_VALUE = {
    "trainer.learning_rate": "learning_rate",
    **{name: name for name in ("placement", "loss", "reg_fused")},
}


@checked
@dataclass(frozen=True)
class Settings:
    """How one backbone is trained: the content of a settings file.

    Args:
        options: Options of the backbone's constructor.
        embedding_dim: Width of the embeddings, d.
        reg_fused: Weight of the L2 term on fused rows, of every arm that does not set its own.
        placement: Where MRdIB stands, ``'inline'`` or ``'auxiliary'``; None for the backbone's own.
        missing_codes: Learned codes for what items lack: :class:`~mrdib_graph.nn.MissingCodes`.
        trainer: Settings of the trainer.
        loss: Ranking loss: name, or ``file.py:Class``; for None BPR, or a backbone's own loss.
        loss_options: Options of the loss.
        arms: Arm to its own settings: those of :class:`OwnSettings`, and options of MRdIB or of
            the control.
    """

    options: dict[str, Any] = field(default_factory=dict)
    embedding_dim: Count = 64
    reg_fused: NonNegative = 0.0
    placement: Placement | None = None
    missing_codes: bool = False
    loss: str | None = None
    loss_options: dict[str, Any] = field(default_factory=dict)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    arms: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class OwnSettings:
    """What an arm may set of its own, beside options of MRdIB or of the control.

    Args:
        reg_fused: As in :class:`Settings`.
        learning_rate: Of the trainer.
        placement: As in :class:`Settings`.
        backbone_options: Added to ``options``.
        late_fusion: On :class:`~mrdib_graph.LateFusion`, as if its name ended in ``-late``.
        missing_codes: As in :class:`Settings`.
        loss: As in :class:`Settings`.
        loss_options: As in :class:`Settings`.
        part: A variant of MRdIB: a name such as ``free-bits``, or ``file.py:Class``.
    """

    reg_fused: NonNegative = 0.0
    learning_rate: Positive = 1e-3
    placement: Placement | None = None
    backbone_options: dict[str, Any] = field(default_factory=dict)
    late_fusion: bool = False
    missing_codes: bool = False
    loss: str | None = None
    loss_options: dict[str, Any] = field(default_factory=dict)
    part: str | None = None


@checked
@dataclass(frozen=True)
class RunConfig:
    """One command: which backbones and arms, on which data, over which seeds.

    Args:
        backbone: Names, or ``file.py:Class``.
        dataset: A name, or a folder in the layout of the field's toolbox.
        root: Folder that data sets live in.
        arms: Names of arms, or ``file.py:Class`` of a control.
        split: Split rule, or ``'given'``.
        split_seed: Seed of the split rule.
        modalities: Which modalities; all for None.
        seeds: Training seeds.
        baselines: Closed-form baselines shown beside; of the default ones, those that read content
            only where the data have modalities.
        metrics: Metrics beside recall, ndcg, precision and map: names, or ``file.py:Class``.
        dataset_options: More options of the data set.
        settings: Backbone to its settings; stored settings or defaults where absent.
        profile: Measure the information profile of the first seed of each arm.
        out: Output folder.
        tracking_uri: MLflow address; a database in the output folder for None.
        mlflow: Tell MLflow of the run.
        quiet: Show no progress.
    """

    backbone: list[str] = field(default_factory=lambda: ["lattice"])
    dataset: str = "planted"
    root: str = "data"
    arms: list[str] = field(default_factory=lambda: ["bare", "mrdib"])
    split: str = "random"
    split_seed: Seed = 0
    modalities: list[str] | None = None
    seeds: list[Seed] = field(default_factory=lambda: [0, 1, 2])
    baselines: list[str] = field(default_factory=lambda: list(DEFAULT_BASELINES))
    metrics: list[str] = field(default_factory=list)
    dataset_options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Settings] = field(default_factory=dict)
    profile: bool = True
    out: str | None = None
    tracking_uri: str | None = None
    mlflow: bool = True
    quiet: bool = False

    def __post_init__(self) -> None:
        for name in ("backbone", "arms", "seeds"):
            if not getattr(self, name):
                raise ConfigError(f"{name}: expected at least one")
        for name in ("backbone", "arms", "seeds", "baselines", "metrics"):
            values = getattr(self, name)
            if len({settings_name(v) if isinstance(v, str) else v for v in values}) < len(values):
                raise ConfigError(f"{name}: {values} names one twice")


def settings_name(backbone: str) -> str:
    """Key of a backbone in ``settings``: its name in lower case, or that of the class in a file."""
    return resolver.key(backbone.rpartition(":")[2])


def stored_settings(folder: Path, dataset: str, backbone: str) -> Path | None:
    """The settings file of a backbone on a data set, where one is stored."""
    name = settings_name(Path(dataset).name)
    names = (name, name.removeprefix("amazon"))  # what is built as amazon-baby is baby elsewhere
    for path in sorted(folder.glob(f"*/{settings_name(backbone)}.yaml")):
        if settings_name(path.parent.name) in names:
            return path
    return None


def resolve(
    flags: Sequence[tuple[str, Any]],
    config_file: Path | None = None,
    configs: Path | None = None,
    shared: Sequence[tuple[str, Any]] = (),
    assignments: Sequence[tuple[str, Any]] = (),
) -> RunConfig:
    """Compose a configuration, each part winning over those before it.

    Defaults < stored settings < ``config_file`` < ``flags``, ``shared`` < ``assignments``.

    Args:
        flags: Dotted keys of :class:`RunConfig` and their values.
        config_file: A YAML file with keys of :class:`RunConfig`.
        configs: Folder of stored settings, ``<dataset>/<backbone>.yaml``.
        shared: Dotted keys of :class:`Settings`, set for every backbone.
        assignments: Dotted keys of :class:`RunConfig` and their values, the last word.

    Raises:
        ConfigError: An unknown key (with the nearest one), a wrong type or a value out of range.
    """
    file = OmegaConf.create({})
    if config_file is not None:
        file = _read(config_file, old_schema.configuration)
        _check(file, config_file)
    given, last = _from_dotted(flags), _from_dotted(assignments)
    run = _merge(file, given, last)
    stored = OmegaConf.create({"settings": {}})
    overrides = OmegaConf.create({"settings": {}})
    for backbone in run.backbone:
        name = settings_name(backbone)
        path = stored_settings(configs, run.dataset, backbone) if configs else None
        if _complete(file, name):  # a resolved configuration stays what it is
            path = None
        stored.settings[name] = _read(path, old_schema.settings) if path else {}
        if path is not None:
            _check(OmegaConf.create({"settings": {name: stored.settings[name]}}), path)
        for key, value in shared:
            _update(overrides, f"settings.{name}.{key}", value)
    for key, _ in shared:
        if key in _ARM_VALUE:
            _drop_arm_value(stored, _ARM_VALUE[key])
            _drop_arm_value(file, _ARM_VALUE[key])
    return _merge(stored, file, given, overrides, last)


def dump(config: RunConfig) -> str:
    """The configuration as YAML that :func:`resolve` reads back to the same one.

    Raises:
        ConfigError: A number is too long to be written.
    """
    try:
        return OmegaConf.to_yaml(OmegaConf.structured(config))
    except ValueError as error:  # for an integer of thousands of digits
        raise ConfigError(f"configuration: cannot be written: {_first_line(error)}") from error


def plain(config: RunConfig) -> dict[str, Any]:
    """The configuration as nested plain values."""
    content: Any = OmegaConf.to_container(OmegaConf.structured(config))
    return dict(content)


def parse_value(text: str) -> Any:
    """A flag's text as YAML reads it: ``1e-3`` is a number, ``[a, b]`` a list.

    Raises:
        ConfigError: The text is no YAML.
    """
    try:
        value: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))
    except Exception as error:  # yaml raises a family of its own
        raise ConfigError(f"value {text!r}: not valid YAML: {_one_line(error)}") from error
    return value["value"]


def _read(path: Path, renamed: Callable[[Mapping[Any, Any]], dict[Any, Any]]) -> DictConfig:
    try:
        content = OmegaConf.load(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # yaml raises a family of its own
        raise ConfigError(f"{path}: not valid YAML: {_one_line(error)}") from error
    if not isinstance(content, DictConfig):
        raise ConfigError(f"{path}: expected keys and values, got {type(content).__name__}")
    try:
        return _renamed(content, renamed)
    except (OmegaConfBaseException, ConfigError) as error:
        raise ConfigError(f"{path}: {_first_line(error)}") from error


def _renamed(
    content: DictConfig, renamed: Callable[[Mapping[Any, Any]], dict[Any, Any]]
) -> DictConfig:
    """Keys of today in place of old ones; interpolations stay as they are."""
    plain: Any = OmegaConf.to_container(content)
    return OmegaConf.create(renamed(plain))


def _from_dotted(pairs: Sequence[tuple[str, Any]]) -> DictConfig:
    content = OmegaConf.create({})
    for key, value in pairs:
        _update(content, key, value)
    return _renamed(content, old_schema.configuration)


def _update(content: DictConfig, key: str, value: Any) -> None:
    try:
        OmegaConf.update(content, key, value, force_add=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{key}: {_first_line(error)}") from error


def _check(content: DictConfig, path: Path) -> None:
    """Refuse a file for what stands in it, by its name."""
    try:
        _merge(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _complete(content: DictConfig, name: str) -> bool:
    """Whether a file sets every key of a backbone's settings, as one that a run wrote does."""
    own = (content.get("settings") or {}).get(name) or {}
    return {f.name for f in fields(Settings)} <= set(own)


def _drop_arm_value(content: DictConfig, key: str) -> None:
    for settings in (content.get("settings") or {}).values():
        for arm in (settings.get("arms") or {}).values():
            arm.pop(key, None)


def _merge(*parts: DictConfig) -> RunConfig:
    try:
        for part in parts:
            for missing in sorted(OmegaConf.missing_keys(part)):
                raise ConfigError(f"configuration key '{missing}': '???' is no value")
        merged = OmegaConf.structured(RunConfig)
        for key, whole in ((key, part) for part in parts for key in part):
            if not isinstance(key, str):
                raise ConfigError(f"configuration key '{key!r}': expected a name")
            try:
                merged = OmegaConf.merge(merged, OmegaConf.masked_copy(whole, [key]))
            except OmegaConfBaseException:
                raise
            except (TypeError, ValueError) as error:  # for a list where keys and values stand
                raise ConfigError(f"configuration key '{key}': {_first_line(error)}") from error
        run: RunConfig = OmegaConf.to_object(merged)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error)) from error
    return run


def _explain(error: OmegaConfBaseException) -> str:
    """One line that names the key, and the nearest valid one where the key is unknown."""
    key = str(getattr(error, "full_key", "") or getattr(error, "key", ""))
    leaf = key.rpartition(".")[2]
    text = f"configuration key '{key}': {_first_line(error)}"
    object_type = getattr(error, "object_type", None)
    if (
        "not in" in text
        and isinstance(object_type, type)
        and hasattr(object_type, "__dataclass_fields__")
    ):
        known = [f.name for f in fields(object_type)]
        near = suggest(leaf, known) or "."
        return f"configuration key '{key}' is unknown{near} Known: {', '.join(known)}"
    return text


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
