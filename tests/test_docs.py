"""Every code block of the documentation runs, and every link between pages leads somewhere."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
    *sorted(ROOT.glob("*.md")),
]
FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,}|:{3,}) *(?P<info>[^`]*)$")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")
DOC_ROLE = re.compile(r"\{doc\}`(?:[^`<]*<)?(?P<target>[^`>]+)>?`")


class Block(NamedTuple):
    """A fenced block: what follows the fence, its first line, its text."""

    info: str
    line: int
    text: str


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _blocks(page: Path) -> list[Block]:
    blocks: list[Block] = []
    fence: re.Match[str] | None = None
    lines: list[str] = []
    start = 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        match = FENCE.match(line)
        if fence is None:
            if match:
                fence, lines, start = match, [], number + 1
        elif match and match["marks"].startswith(fence["marks"]) and not match["info"]:
            blocks.append(Block(fence["info"].strip(), start, "\n".join(lines)))
            fence = None
        else:
            lines.append(line.removeprefix(fence["indent"]))
    assert fence is None, f"{_id(page)}:{start - 1}: the fence is not closed"
    return blocks


def _prose(page: Path) -> str:
    """The page without its fenced blocks and inline code."""
    text = page.read_text(encoding="utf-8")
    for block in _blocks(page):
        if not block.info.startswith("{"):
            text = text.replace(block.text, "")
    # a role such as {doc}`page` is kept, plain inline code goes
    return re.sub(r"(\{[\w:]+\}`[^`\n]+`)|`[^`\n]+`", lambda found: found[1] or "", text)


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#{1,6} +(.+)$", _prose_with_code(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _prose_with_code(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    for block in _blocks(page):
        text = text.replace(block.text, "")
    return text


def _python(page: Path) -> list[Block]:
    return [
        block for block in _blocks(page) if re.match(r"\{?(code-block\}? *)?python\b", block.info)
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if _python(page)], ids=_id)
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "MPLBACKEND", "Agg")
    monkeypatch.syspath_prepend(page.parent)  # files that the page shows can be imported
    namespace: dict[str, object] = {"__name__": "__main__"}
    with torch.random.fork_rng(devices=[]):
        for block in _python(page):
            source = "\n" * (block.line - 1) + block.text  # a traceback shows the page's own lines
            exec(compile(source, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_no_code_block_is_left_out(page: Path) -> None:
    for block in _blocks(page):
        where = f"{_id(page)}:{block.line}"
        assert block.info, f"{where}: name the block's language, for example python or console"
        if "py" in block.info.split()[0].lower() and not block.info.startswith("{eval-rst}"):
            assert block.info == "python", f"{where}: write ```python, so that the block is run"
        assert ">>>" not in block.text, f"{where}: write plain code with assertions"


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_resolve(page: Path) -> None:
    text = _prose(page)
    for match in LINK.finditer(text):
        target = match["target"] or match["image"]
        if re.match(r"(https?|mailto):", target):
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), f"{_id(page)}: {target} leads nowhere"
        if anchor and other.suffix == ".md":
            assert anchor in _anchors(other), f"{_id(page)}: {target}: no such heading"
    for match in DOC_ROLE.finditer(text):
        base = DOCS if match["target"].startswith("/") else page.parent
        other = base / f"{match['target'].lstrip('/')}.md"
        assert other.exists(), f"{_id(page)}: {match['target']} leads nowhere"


def test_every_public_module_has_a_reference_page() -> None:
    package = ROOT / "mrdib_graph"
    modules = {path.parent.name for path in package.glob("*/__init__.py")}
    modules |= {path.stem for path in package.glob("*.py") if not re.match("_", path.stem)}
    modules -= {"cli", "version"}
    pages = {path.stem for path in (DOCS / "reference").glob("*.md")}
    pages -= {"index", "environment_variables"}
    assert pages == modules
    for name in pages:
        text = (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")
        assert f".. automodule:: mrdib_graph.{name}\n   :members:" in text


def test_every_environment_variable_has_a_row() -> None:
    page = (DOCS / "reference" / "environment_variables.md").read_text(encoding="utf-8")
    code = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "mrdib_graph").rglob("*.py"))
    read = re.findall(r'environ(?:\.get|\.setdefault)?[(\[]"([A-Z_]+)"|"(MLFLOW_[A-Z_]+)"', code)
    names = {name or other for name, other in read} | {"RECBOLE_DATA"}
    assert names == set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.M))


def test_no_page_names_a_command_that_the_package_lacks() -> None:
    scripts = {path.name for path in (ROOT / "benchmarks").glob("*.py")} - {"run.py"}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"--objective\b(?!`)|objectives\.|--weighting", text) or (
            page.name in ("CHANGELOG.md", "deprecation.md")
        ), _id(page)
        for script in re.findall(r"python benchmarks/(\w+\.py)", text):
            assert script in scripts, f"{_id(page)}: benchmarks/{script}"


def test_citations_are_known() -> None:
    keys = re.findall(
        r"^@\w+\{([^,]+),", (DOCS / "references.bib").read_text(encoding="utf-8"), re.M
    )
    assert len(keys) == len(set(keys))
    for page in PAGES:
        for group in re.findall(r"\{cite:[pt]\}`([^`]+)`", page.read_text(encoding="utf-8")):
            for key in group.split(","):
                assert key.strip() in keys, f"{_id(page)} cites {key}: not in references.bib"
