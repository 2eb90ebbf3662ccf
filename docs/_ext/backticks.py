"""Single backticks: a link if they contain a name of structmat, otherwise code (`x`, `scipy.linalg.solve`).

Explicit roles (:class:, :func:, :doc:) stay strict: a missing target fails the build.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PLACES = ("structmat.", "structmat.LinearOperator.", "structmat.custom.", "structmat.custom.Leaf.")


def find(app: Sphinx, env: BuildEnvironment, node: Any, contnode: nodes.Element) -> nodes.Element | None:
    if node.get("refdomain") != "py" or node.get("reftype") != "obj":
        return None
    known = env.domains["py"].objects  # type: ignore[attr-defined]
    for place in PLACES:
        if (name := place + node["reftarget"]) in known:
            found = env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, contnode)
            return found if isinstance(found, nodes.Element) else contnode
    return contnode


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("missing-reference", find)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
