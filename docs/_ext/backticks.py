"""Single backticks: a link if they contain a name of structmat or of inventories.toml, otherwise code (`x`).

A name of a listed library that is not listed itself fails the build, and so does a missing target of an explicit role
(:class:, :func:, :doc:).
"""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from inventories import load, objects
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PLACES = ("structmat.", "structmat.LinearOperator.", "structmat.custom.", "structmat.custom.Leaf.")


def others(app: Sphinx) -> set[str]:
    """The packages of other projects to which pages link."""
    projects = load(Path(app.srcdir)).values()
    return {name.partition(".")[0] for project in projects for name in objects(project)}


def find(app: Sphinx, env: BuildEnvironment, node: Any, contnode: nodes.Element) -> nodes.Element | None:
    if node.get("refdomain") != "py" or node.get("reftype") != "obj":
        return None
    known = env.domains["py"].objects  # type: ignore[attr-defined]
    for place in PLACES:
        if (name := place + node["reftarget"]) in known:
            found = env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, contnode)
            return found if isinstance(found, nodes.Element) else contnode
    return None if re.split(r"\W", node["reftarget"])[0] in others(app) else contnode


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("missing-reference", find, priority=600)  # after intersphinx
    return {"parallel_read_safe": True, "parallel_write_safe": True}
