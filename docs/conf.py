"""Sphinx: the reference is made from ``__all__`` of each door, so that no page goes stale."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sphinx.domains.python import PyObject
from sphinx.ext.intersphinx import missing_reference

import scgenept

if TYPE_CHECKING:
    from docutils.nodes import Element, TextElement
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "scgenept"
author = "scgenept developers"
project_copyright = f"2026, {author}"
version = release = scgenept.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_member_order = "bysource"
add_module_names = False
maximum_signature_line_length = 88
autodoc_typehints_format = "short"
napoleon_google_docstring = False
napoleon_use_rtype = False
# The attributes of a dataclass are described in its docstring; its fields are not listed a second time.
napoleon_use_ivar = True

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "alpha"
bibtex_reference_style = "author_year"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "sphinx_book_theme"
html_title = "scgenept"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_theme_options = {"navigation_with_keys": False, "navbar_persistent": []}

# Links into other packages need their inventories, so they are made only where a network is promised.
if os.environ.get("SCGENEPT_DOCS_LINKS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "anndata": ("https://anndata.readthedocs.io/en/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "mudata": ("https://mudata.readthedocs.io/stable/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "pandas": ("https://pandas.pydata.org/docs/", None),
        "python": ("https://docs.python.org/3/", None),
        "scanpy": ("https://scanpy.readthedocs.io/en/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }

ELSEWHERE: Final = re.compile(
    r"(ad|anndata|collections|lightning|matplotlib|mudata|np|npt|numpy|os|pandas|pathlib|pd|scanpy|scipy|sp|torch|typing)\..+"
    r"|AnnData|ArrayLike|Axes|Callable|Callback|DataFrame|Figure|Final|Generator|Iterable|Iterator|Literal|Logger|Mapping|MuData"
    r"|NDArray|Path|PathLike|Self|Sequence|Series|Strategy|Tensor|TypeAlias"
    r"|bool|bytes|dict|float|int|list|None|object|set|str|tuple(\[str)?|(\w+Error|\w*Warning)"
)
"""Names that other packages define; without their inventories they stay text.

``tuple[str`` is what Sphinx makes of a signature with a ``<factory>`` in it.
"""

FULL_NAMES: Final = {
    "AnnData": "anndata.AnnData",
    "Axes": "matplotlib.axes.Axes",
    "DataFrame": "pandas.DataFrame",
    "Figure": "matplotlib.figure.Figure",
    "Generator": "numpy.random.Generator",
    "MuData": "mudata.MuData",
    "Path": "pathlib.Path",
    "Series": "pandas.Series",
    "Tensor": "torch.Tensor",
    "ndarray": "numpy.ndarray",
}
"""Where inventories list what signatures call by a short name."""

PRIVATE: Final = re.compile(
    r"(Against|ApproximationError|ByLike|Cells|DTypeName|DeviceName|EmbeddingLike|Figsize|FloatArray|GeneVector"
    r"|HasVocabulary|How|IntArray|KeyForm|Kind|Missing|Modality|Models?|PerturbationLike|PrecisionName|PredictorLike|Pseudobulks|Quantile|RNGLike|Reference"
    r"|Rule|Scale|ScaleLike|Scheme|Source"
    r"|Training|View)$"
)
"""Aliases of types of ours, which are spelled out where they matter."""


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: TextElement) -> Element | None:
    """Find what signatures and Raises sections call by its bare name; leave other packages' names as text."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    bare = target.rsplit(".", 1)[-1]
    domain = env.domains.python_domain
    ours = sorted((name for name in domain.objects if name.rsplit(".", 1)[-1] == bare), key=len)
    if ours and (target == bare or target.startswith("scgenept")):
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", ours[0], node, text)
    if "sphinx.ext.intersphinx" in extensions and bare in FULL_NAMES:
        node["reftarget"] = FULL_NAMES[bare]
        if (link := missing_reference(app, env, node, text)) is not None:
            return link
    if ELSEWHERE.fullmatch(target) or PRIVATE.search(target):
        return text
    return None


def _join_names(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep ``a, b`` in an Attributes section from being read as the type ``a`` of the attribute ``b``."""
    lines[:] = [re.sub(r"^:ivar [\w, ]+:", lambda found: found[0].replace(", ", ","), line) for line in lines]


def _copy_tutorials(app: Sphinx) -> None:
    """Bring the notebooks into the sources; the copy of an unchanged one is left alone, so it is not read again."""
    for notebook in (Path(app.srcdir).parent / "tutorials").glob("*.ipynb"):
        copy = Path(app.srcdir) / "tutorials" / notebook.name
        if not copy.exists() or copy.read_bytes() != notebook.read_bytes():
            shutil.copyfile(notebook, copy)


def setup(app: Sphinx) -> None:
    """Register the resolver, after intersphinx where that is on, what runs after napoleon, and the tutorials."""
    app.connect("autodoc-process-docstring", _join_names, priority=900)
    app.connect("missing-reference", _resolve, priority=900)
    app.connect("builder-inited", _copy_tutorials)
    # Sphinx heads them "Variables", the docstrings and the field "Attributes".
    next(field for field in PyObject.doc_field_types if field.name == "variable").label = "Attributes"
