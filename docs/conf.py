"""Sphinx configuration: `make docs` builds the site without network access, and warnings are errors."""

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

os.environ.setdefault("KERAS_BACKEND", "jax")  # structmat does not support Keras' default, TensorFlow

import structmat  # noqa: E402

project = "structmat"
author = "structmat developers"
copyright = f"2026, {author}"
version = release = structmat.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "myst_parser",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "backticks",  # this and the next seven: docs/_ext
    "catalogue",
    "experiments",
    "inventories",
    "mathml",
    "performance",
    "scale",
    "versions",
]
exclude_patterns = ["_build", "examples"]

default_role = "py:obj"
suppress_warnings = ["ref.python"]  # attributes of two classes may have one name
add_module_names = False
# The pages of the API reference are written by hand; tests/repository/test_docs.py checks that they are complete.
autosummary_generate = False
# Frameworks are large: the layers are documented with mock imports if a framework is not installed.
FRAMEWORKS = ("equinox", "flax", "jax", "keras", "peft", "torch")
autodoc_mock_imports = [name for name in FRAMEWORKS if importlib.util.find_spec(name) is None]
autodoc_typehints = "none"  # the docstrings also give shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

# Pages download no scripts: neither MathJax, which Sphinx loads from a CDN (bundled, it has several megabytes), nor
# KaTeX. Browsers render MathML without scripts.
html_math_renderer = "mathml"

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# The examples run when the site is built, so that their output is always current.
SECTIONS = ("basics", "systems", "signals", "learning", "projections", "speed")
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "_generated/examples",
    "backreferences_dir": "_generated/backreferences",  # for the lists of examples on the pages of operators
    "doc_module": ("structmat",),
    "subsection_order": [f"examples/{section}" for section in SECTIONS],
    "image_scrapers": ("figures.scrape",),  # docs/_ext
    "reset_modules": ("matplotlib", "figures.set_style"),
    "reset_modules_order": "both",
    "remove_config_comments": True,
    "thumbnail_size": (480, 336),  # twice as many pixels as are shown
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "capture_repr": (),
}

toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "structmat"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["structmat.css"]
html_logo = html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "structmat", "alt_text": "structmat, front page"},
    "icon_links": [{"name": "Source", "url": "https://github.com/structmat/structmat", "icon": "fa-brands fa-github"}],
    "navbar_align": "left",
    "header_links_before_dropdown": 5,
    "navbar_persistent": ["search-button"],
    "navbar_end": ["versions", "theme-switcher", "navbar-icon-links"],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": {"**": ["page-toc"], "_generated/examples/index": []},  # the gallery takes the width
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Pages without others beside them; each of the others has a list of its section on the left.
SINGLE = (
    *("index", "quickstart", "choosing", "related", "conventions", "scale", "kernels", "extending", "paper"),
    *("references", "changelog", "contributing", "search", "genindex"),
)
html_sidebars = {page: [] for page in SINGLE}
html_context = {"default_mode": "auto"}  # light or dark as the reader's system; without it, the theme reports an error


# Docutils would parse the "P." of ".. [1] P. J. Davis, ..." as an enumerated list item.
INITIAL = re.compile(r"^(\s*\.\. \[\w+\] )([A-Z]\. )")


def escape_initials(*event: Any) -> None:
    lines = event[-1]
    lines[:] = [INITIAL.sub(r"\1\\\2", line) for line in lines]


def describe_thumbnails(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Sphinx-Gallery gives its thumbnails empty alternative texts, and their titles in the next paragraph."""
    for image in doctree.findall(nodes.image):
        if image.get("alt") == "" and (title := image.next_node(nodes.paragraph, descend=False, ascend=True)):
            image["alt"] = f"Figure of the example: {title.astext()}"


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", describe_thumbnails)
    app.connect("autodoc-process-docstring", escape_initials, priority=100)  # before numpydoc
