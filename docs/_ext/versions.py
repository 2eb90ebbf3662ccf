"""The list of versions in the header: the development version and the releases of the changelog.

It is written when the site is built. The theme's own list loads a file, which browsers refuse on a local disk.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
SITE = "https://structmat.readthedocs.io/en/"


def versions(changelog: str, built: str) -> tuple[str, dict[str, str]]:
    """The name of the version that is built, and the addresses of all by their names, the newest first.

    A version that the changelog does not list yet is the development version.
    """
    releases = re.findall(r"^## \[(\d[^\]]*)\]", changelog, flags=re.MULTILINE)
    released = built in releases
    latest = "dev" if released else f"{built} dev"
    addresses = {latest: f"{SITE}latest/"} | {name: f"{SITE}v{name}/" for name in releases}
    return built if released else latest, addresses


def generate(app: "Sphinx", config: "Config") -> None:
    current, addresses = versions(CHANGELOG.read_text(encoding="utf-8"), config.version)
    config.html_context |= {"built_version": current, "versions": addresses}


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("config-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
