"""The gallery's figures: they are read at the width of a page, and at 200 pixels in the index.

A comment of each example, ``# sphinx_gallery_alt = "..."``, is the alternative text of its figure.
"""

import re
from typing import Any

import matplotlib as mpl
from sphinx_gallery.scrapers import matplotlib_scraper

STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    # The colours of Okabe and Ito, which can be told apart with any colour vision.
    "axes.prop_cycle": mpl.cycler(color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 12,
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "figure.figsize": (5.2, 3.6),
    "font.size": 11,
    "grid.alpha": 0.3,
    "image.cmap": "cividis",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


def set_style(conf: dict[str, Any], script: str, when: str) -> None:
    """Prepare Matplotlib for a script; sphinx-gallery restores the defaults before and after it."""
    if when == "before":
        mpl.rcParams.update(STYLE)


def scrape(block: Any, variables: dict[str, Any], conf: dict[str, Any]) -> str:
    """Save a figure, and describe it by the example's text, not by the titles of its axes."""
    alt = variables["file_conf"]["alt"]
    return re.sub("(?<=:alt: ).*", lambda _: alt, matplotlib_scraper(block, variables, conf))
