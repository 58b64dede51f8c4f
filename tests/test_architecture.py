"""The shape of the code base: imports point one way, in few floors, and nothing executes data."""

import ast
import functools
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "mrdib_graph"

LAYERS = (
    (
        *("errors", "atomic_file", "typing", "sparse", "graph", "options", "resolver", "tables"),
        *("partial_information", "subgraph", "distributed", "eval_mode", "version", "row_names"),
        *("tensor_cache",),
    ),
    ("nn", "losses", "negatives", "estimators", "metrics", "tracking"),
    ("transforms", "features"),
    ("datasets", "loader", "backbones", "baselines", "controls", "mrdib", "evaluation"),
    ("recommender", "information", "serving"),
    ("training", "plotting", "explanation"),
    ("tuning", "testing"),
    ("experiment",),
    ("cli",),
    ("benchmarks",),
)
"""A module imports from its own package or from lower layers.

The first layer are single modules that may read each other; everything else may read them.
"""

FOUNDATION = LAYERS[0]
HEAVY = ("mlflow", "optuna", "matplotlib", "faiss", "torch_sparse", "pandas", "sklearn")
EXECUTE_DATA = ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
OTHER_WORDS = {
    "emb_size": "embedding_dim",
    "n_layers": "num_layers",
    "knn_k": "k",
    "topk": "cutoffs",
    "valid_metric": "monitor",
    "reg_loss": "auxiliary_loss",
    "cl_loss": "auxiliary_loss",
    "v_feat": "modality",
    "t_feat": "modality",
    "mm_adj": "item_graph",
}
"""Option names of the glossary: what is not used, and the word that is."""


def _sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _unit(module: str) -> str:
    """The package of a module: ``mrdib_graph.nn.knn`` -> ``nn``; the root is ``''``."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return parts[0]
    unit = parts[1] if len(parts) > 1 else ""
    return "cli" if unit == "__main__" else unit


def _layer(unit: str) -> int:
    for level, units in enumerate(LAYERS):
        if unit in units:
            return level
    raise AssertionError(f"'{unit}' is in no layer of {Path(__file__).name}: give it one")


def _module_level(node: ast.AST, typing_too: bool) -> Iterator[ast.stmt]:
    """Import statements outside functions; those under ``if TYPE_CHECKING`` run only for mypy."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            if typing_too:
                yield from _module_level(child, typing_too)
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _module_level(child, typing_too)


@functools.cache
def _modules() -> frozenset[str]:
    return frozenset(_module(path) for path in _sources(PACKAGE, "benchmarks"))


@functools.cache
def _imports(path: Path, typing_too: bool = True, inside_functions: bool = False) -> frozenset[str]:
    """The library's own modules that a file imports at module level, or anywhere."""
    found = set()
    nodes = ast.walk(_tree(path)) if inside_functions else _module_level(_tree(path), typing_too)
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_id(path)}:{node.lineno}: write the absolute import"
            base = node.module or ""
            members = {f"{base}.{alias.name}" for alias in node.names}
            submodules = members & _modules()
            found |= submodules or {base}
    return frozenset(found & _modules())


@pytest.mark.parametrize("path", _sources(PACKAGE, "benchmarks"), ids=_id)
def test_imports_point_to_lower_layers(path: Path) -> None:
    unit = _unit(_module(path))
    if not unit:
        return  # the root exports names of every layer
    for target in _imports(path):
        other = _unit(target)
        assert other, f"{_id(path)} imports the root package; import the module that it means"
        same = unit == other or (unit in FOUNDATION and other in FOUNDATION)
        assert same or _layer(other) < _layer(unit), f"{_id(path)} must not import {target}"


def test_imports_have_no_cycle() -> None:
    graph = {_module(path): _imports(path, typing_too=False) for path in _sources(PACKAGE)}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert set(order) == {module for module in _modules() if _unit(module) != "benchmarks"}


def _floors() -> dict[str, set[str]]:
    """Folder, or module of the package's root, to those that it imports anywhere in its files."""
    graph: dict[str, set[str]] = {}
    for path in _sources(PACKAGE, "benchmarks"):
        unit = _unit(_module(path))
        if unit:  # the root exports names of every floor
            targets = {_unit(target) for target in _imports(path, inside_functions=True)}
            graph.setdefault(unit, set()).update(targets - {unit, ""})
    return graph


def test_longest_chain_of_folders_is_ten_without_a_circle() -> None:
    graph = _floors()
    floor: dict[str, int] = {}
    for unit in graphlib.TopologicalSorter(graph).static_order():  # raises CycleError
        floor[unit] = 1 + max((floor[target] for target in graph[unit]), default=0)
    assert max(floor.values()) <= 10, floor


def test_scripts_have_no_circle() -> None:
    graph = {path.stem: _siblings(path) for path in _sources("benchmarks")}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def _siblings(path: Path) -> set[str]:
    """Scripts of its own folder that a script imports."""
    names = {p.stem for p in path.parent.glob("*.py")}
    found = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(alias.name for alias in node.names)}
    return {name.removeprefix("benchmarks.") for name in found} & (names - {path.stem})


def test_layers_name_each_package_once() -> None:
    units = [unit for layer in LAYERS for unit in layer]
    assert len(units) == len(set(units))


def _exports(path: Path) -> list[str] | None:
    """The literal ``__all__`` of a module, or None."""
    for node in _tree(path).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        ):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def _public_names(path: Path) -> list[str]:
    exports = _exports(path)
    if exports is not None:
        return exports
    return [
        node.name
        for node in _tree(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    ]


def _public_modules() -> list[Path]:
    packages = (ROOT / PACKAGE).glob("*/__init__.py")
    modules = (path for path in (ROOT / PACKAGE).glob("*.py") if path.stem != "__init__")
    return sorted([*packages, *modules])


@pytest.mark.parametrize("path", _public_modules(), ids=_id)
def test_every_public_name_is_in_a_test(path: Path) -> None:
    texts = [
        test.read_text(encoding="utf-8")
        for test in _sources("tests")
        if test != Path(__file__).resolve()
    ]
    words = set(re.findall(r"\w+", "\n".join(texts)))
    untested = [name for name in _public_names(path) if name not in words]
    assert not untested, f"no test mentions {', '.join(untested)} of {_id(path)}"


@pytest.mark.parametrize("path", sorted((ROOT / PACKAGE).glob("*/__init__.py")), ids=_id)
def test_packages_say_what_they_export(path: Path) -> None:
    exports = _exports(path)
    assert exports, f"{_id(path)} has no __all__"
    assert len(exports) == len(set(exports)), f"{_id(path)}: __all__ repeats a name"
    folders = {made.parent.name for made in path.parent.glob("*/__init__.py")}
    assert not folders & set(exports), f"{_id(path)}: an export hides the folder of its name"
    bound = {
        alias.asname or alias.name
        for node in _tree(path).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    bound |= {
        node.name for node in _tree(path).body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    lazy = any(isinstance(n, ast.FunctionDef) and n.name == "__getattr__" for n in _tree(path).body)
    assert lazy or set(exports) <= bound, f"not defined: {set(exports) - bound}"


def test_import_loads_nothing_heavy() -> None:
    packages = [path.parent.name for path in (ROOT / PACKAGE).glob("*/__init__.py")]
    modules = ", ".join([PACKAGE, *(f"{PACKAGE}.{name}" for name in packages)])
    code = (
        "import sys, torch, torch_geometric, torch_geometric.data\n"
        f"floor = set(sys.modules)\nimport {modules}\n"
        "print(*(set(sys.modules) - floor), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    added = {name.split(".")[0] for name in done.stdout.split()}
    assert PACKAGE in added
    assert not added & set(HEAVY)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


@pytest.mark.parametrize("path", _sources(PACKAGE, "benchmarks", "docs"), ids=_id)
def test_nothing_executes_data(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
            assert not names & set(EXECUTE_DATA), f"{_id(path)}:{node.lineno}"
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in EXECUTE_DATA, f"{_id(path)}"
        elif isinstance(node, ast.Call):
            _check_call(path, node)


def _check_call(path: Path, node: ast.Call) -> None:
    where = f"{_id(path)}:{node.lineno}: {ast.unparse(node)}"
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    name = _called(node)
    assert name not in ("eval", "exec", "yaml.load", "yaml.unsafe_load"), where
    assert not name.endswith("read_pickle"), where
    assert keywords.get("allow_pickle", "False") == "False", where
    if name == "torch.load":
        assert keywords.get("weights_only") == "True", where


def test_no_work_is_left_in_comments() -> None:
    words = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    texts = [*_sources(PACKAGE, "benchmarks", "tests", "docs"), ROOT / "setup.py"]
    texts += [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile"]
    found = [
        f"{_id(path)}:{number}"
        for path in texts
        if "_build" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if words.search(line)
    ]
    assert not found


@pytest.mark.parametrize("path", _sources(PACKAGE, "benchmarks"), ids=_id)
def test_options_have_the_names_of_the_glossary(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        names = []
        if isinstance(node, ast.arguments):
            names = [a.arg for a in [*node.posonlyargs, *node.args, *node.kwonlyargs]]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        for name in names:
            assert name not in OTHER_WORDS, f"{_id(path)}: {name} is called {OTHER_WORDS[name]}"


@pytest.mark.parametrize("path", _sources(PACKAGE), ids=_id)
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(_tree(path))
    assert docstring and len(docstring.splitlines()[0]) <= 100
