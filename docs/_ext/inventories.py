"""Links to other projects: the inventories of intersphinx are written from docs/inventories.toml before each build."""

import tomllib
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

KINDS = "class", "function", "module"
HEADER = "# Sphinx inventory version 2\n# Project: {}\n# Version: \n# The remainder is compressed by zlib.\n"


def load(folder: Path) -> dict[str, Any]:
    """The projects."""
    return tomllib.loads((folder / "inventories.toml").read_text(encoding="utf-8"))


def objects(project: dict[str, Any]) -> dict[str, str]:
    """The kind of each name."""
    return {name: kind for kind in KINDS for name in project.get(kind, ())}


def inventory(title: str, project: dict[str, Any]) -> bytes:
    """The names of a project, in the format that Sphinx reads."""
    lines = []
    for name, kind in objects(project).items():
        page = project.get("elsewhere", {}).get(name, project["pages"].format(name))
        lines.append(f"{name} py:{kind} 1 {page}#{'module-' * (kind == 'module')}{name} -\n")
    return HEADER.format(title).encode() + zlib.compress("".join(lines).encode())


def generate(app: "Sphinx", config: "Config") -> None:
    target = Path(app.srcdir, "_generated/inventories")
    target.mkdir(parents=True, exist_ok=True)
    for title, project in load(Path(app.srcdir)).items():
        path = target / f"{title}.inv"
        path.write_bytes(inventory(title, project))
        config.intersphinx_mapping[title] = (project["site"], path.relative_to(app.srcdir).as_posix())


def setup(app: "Sphinx") -> dict[str, bool]:
    app.setup_extension("sphinx.ext.intersphinx")
    app.connect("config-inited", generate, priority=700)  # before intersphinx checks the mapping
    return {"parallel_read_safe": True, "parallel_write_safe": True}
