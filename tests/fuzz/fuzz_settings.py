"""Settings files in YAML, and values given on the command line."""

from pathlib import Path

from harness import BETWEEN, Target, parts

from mrdib_graph.experiment.config import dump, parse_value, resolve


def read(folder: Path, data: bytes) -> None:
    files = parts(data, ("settings", "value"))
    path = folder / "settings.yaml"
    path.write_bytes(files["settings"])
    flags = []
    if "value" in files:
        flags = [("dataset_options.x", parse_value(files["value"].decode("utf-8", "replace")))]
    config = resolve(flags, path)
    path.write_text(dump(config), encoding="utf-8")
    assert repr(resolve([], path)) == repr(config)


TARGET = Target(
    "settings",
    read,
    lambda: [b"backbone: [vbpr]\nseeds: [1, 2]\n" + BETWEEN + b"[1e-3, {a: null}]"],
    (
        b"&a ",
        b"*a",
        b"<<: ",
        b"${seeds}",
        b"${oc.env:HOME}",
        b"???",
        b"!!python/name:x",
        b"0x" + b"f" * 60,
        b"---\n",
    ),
)
