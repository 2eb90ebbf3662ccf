"""Operators as HTML: a tree that can be opened and closed, with small pictures of the structures, and no script."""

import functools
import html
import itertools
import math
import reprlib
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from structmat._backend import dtypes, namespaces, random
from structmat.core.outline import Node, outline
from structmat.core.registry import OPERATORS

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator

LIMIT = 20_000  # bytes of the whole text
NODES, LEVELS, OPEN = 64, 12, 3  # most operators, most levels, and levels that are open at first
FIELDS, LETTERS = 10, 60  # most fields of an operator, and letters of a name or value
SHOWN = bool, int, float, complex, str, slice, tuple, type(None)  # values of which `repr` says no address
CELLS = 8  # rows and columns of an icon
SHADES = ((0.5, 2, 0.95), (0.02, 0.5, 0.6), (-2, -0.5, 0.35), (-0.5, -0.02, 0.2))  # positive entries are the darker

STYLE = """
.structmat{color:var(--jp-content-font-color1,inherit);font:13px/1.6 var(--jp-ui-font-family,system-ui,sans-serif)}
.structmat summary{cursor:pointer;white-space:nowrap}
.structmat summary b{font-weight:600}
.structmat span{margin-left:.45em}
.structmat .few{opacity:.7}
.structmat details>details,.structmat details>div{margin-left:.4em;padding-left:1em;border-left:1px solid #8886}
.structmat svg{width:15px;height:15px;vertical-align:-3px;margin:0 .4em 0 .2em;overflow:visible;stroke:currentColor}
.structmat code{background:none;color:inherit;padding:0}
"""


def html_of(A: "LinearOperator") -> str:
    """Return the tree of an operator with as many of its parts as fit into 20,000 bytes."""
    for nodes in range(NODES, 0, -8):
        root = outline(A, nodes=nodes, levels=LEVELS)
        icons = dict(map(_symbol, _walk(root)))
        symbols = f'<svg style="position:absolute;width:0;height:0" aria-hidden="true">{"".join(icons.values())}</svg>'
        text = f'<div class="structmat"><style>{STYLE}</style>{symbols}{_tree(root, None, 0)}</div>'
        if len(text.encode()) <= LIMIT:
            break
    return text


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _walk(part)


def _symbol(node: Node) -> tuple[str, str]:
    cls: Any = type(node.operator)
    return _icon_name(cls), f'<symbol id="{_icon_name(cls)}" {icon(cls)}</symbol>'


def _tree(node: Node, above: "LinearOperator | None", level: int) -> str:
    A = node.operator
    summary = f"{_use(type(A))}<b>{_escaped(type(A).__name__)}</b>{_facts(A, above)}"
    inside = "".join(_tree(part, A, level + 1) for part in node.parts) + "".join(_fields(A))
    if node.hidden:
        inside += f'<div class="few">… {node.hidden:,} more operators</div>'
    opened = ' open=""' if node.parts and level < OPEN else ""
    return f"<details{opened}><summary>{summary}</summary>{inside}</details>"


def _facts(A: "LinearOperator", above: "LinearOperator | None") -> str:
    """Size, library and memory; dtype, library and device only where they differ from those of the operator above."""
    facts = []
    if A.dtype is not None and (above is None or A.dtype != above.dtype):
        facts.append(dtypes.name(A.dtype))
    if A.xp is not None and (above is None or A.device != above.device):
        facts += [namespaces.name(A.xp), str(A.device)]
    if params := sum(math.prod(value.shape) for value in A.params):
        facts.append(f"{params:,} parameter{'s' * (params > 1)}")
    if A.nbytes:
        facts.append(f"{A.nbytes:,} bytes")
    return f' <span>{A.m}×{A.n}{_escaped(A._details)}</span> <span class="few">{_escaped(" · ".join(facts))}</span>'


def _fields(A: "LinearOperator") -> Iterator[str]:
    """A line for each field that is not an operator: arrays by shape and dtype."""
    if A._children:
        return
    named = [(name, value) for name, value in A._fields.items() if not name.startswith("_")]
    for name, value in named[:FIELDS]:
        if namespaces.is_array(value):
            shown = f"{tuple(value.shape)} {dtypes.name(value.dtype)}"
        elif isinstance(value, SHOWN):
            shown = reprlib.repr(value)
        else:
            shown = str(getattr(value, "__qualname__", type(value).__name__))
        yield f'<div class="few">{_escaped(name)} <code>{_escaped(shown)}</code></div>'
    if len(named) > FIELDS:
        yield f'<div class="few">… {len(named) - FIELDS} more</div>'


def _escaped(text: str) -> str:
    return html.escape(text if len(text) <= LETTERS else text[: LETTERS - 1] + "…")


def _icon_name(cls: Any) -> str:
    """An id that is the same for the same icon, since all outputs of a notebook are on one page."""
    return f"structmat-{zlib.crc32(icon(cls).encode()):x}"


def _use(cls: Any) -> str:
    return f'<svg aria-hidden="true"><use href="#{_icon_name(cls)}"/></svg>'


@functools.cache
def icon(cls: Any) -> str:
    """Draw a class: the sign of a composite, the entries of a small example of a leaf, else a frame."""
    notation = cls._notation
    if notation is not None:
        sign = html.escape(notation.sign)
        look = f'text-anchor="middle" font-size="{10 if len(notation.sign) == 1 else 8}" font-weight="600"'
        return (
            'viewBox="0 0 10 10" overflow="visible">'
            f'<text x="5" y="8.5" {look} fill="currentColor" stroke="none">{sign}</text>'
        )
    entry = OPERATORS.get(cls.__name__)
    rows = _example(entry.example) if entry is not None and entry.cls is cls else []
    if not rows:
        return 'viewBox="0 0 8 8"><path d="M1 1h6v6h-6z" fill="none"/>'
    largest = max(abs(value) for row in rows for value in row) or 1
    paths = []
    for low, high, opacity in SHADES:
        runs = "".join(
            f"M{first} {i}h{width}"
            for i, row in enumerate(rows)
            for first, width in _runs([low < value / largest <= high for value in row])
        )
        paths += [f'<path opacity="{opacity}" d="{runs}"/>'] if runs else []
    m, n = len(rows), len(rows[0])
    return f'viewBox="0 -.5 {n} {m}"><path opacity=".35" stroke-width=".3" fill="none" d="M0 -.5h{n}v{m}h-{n}z"/>' + (
        "".join(paths)
    )


def _example(example: Any) -> list[list[float]]:
    """The real parts of the entries of a small example, or none."""
    try:
        matrix = example(CELLS, random.generator(2)).to_dense()
        return [list(map(float, row)) for row in matrix.real[: 2 * CELLS, : 2 * CELLS].tolist()]
    except Exception:  # noqa: BLE001 (an operator whose author has not finished it is shown all the same)
        return []


def _runs(row: list[bool]) -> Iterator[tuple[int, int]]:
    """First index and length of each run of True."""
    at = 0
    for value, run in itertools.groupby(row):
        width = len(list(run))
        if value:
            yield at, width
        at += width
