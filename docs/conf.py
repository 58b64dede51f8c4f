"""Sphinx settings: MyST pages, Furo, a reference read from the docstrings."""

from typing import Any

from sphinx.application import Sphinx

from mrdib_graph import __version__

project = "mrdib_graph"
author = "The mrdib_graph authors"
copyright = "2026, The mrdib_graph authors"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Shapes", "Source", "Units"]

html_theme = "furo"
html_title = f"mrdib_graph {release}"
copybutton_exclude = ".linenos, .gp, .go"


def _skip_tuple_fields(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out the generated docstrings of named tuples: the class says what its fields are."""
    del app, what, name, skip, options
    generated = (getattr(obj, "__doc__", None) or "").startswith("Alias for field number")
    return True if generated else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-skip-member", _skip_tuple_fields)
