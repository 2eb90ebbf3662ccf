"""The engine: tries the rules on operators from the leaves up, until none applies."""

import itertools
import operator
from collections.abc import Iterator
from typing import Any

from structmat._backend import dtypes
from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint
from structmat.core.compose import NaryOperator, Product, Sum
from structmat.rewrite.common import Maybe, rebuilt
from structmat.rewrite.table import ANY, RULES, Rule


def _fits(parts: tuple[LinearOperator, ...], wanted: tuple[type[LinearOperator], ...]) -> bool:
    """Compare classes exactly: a subclass may be another matrix with the same fields."""
    return len(parts) == len(wanted) and all(
        kind is ANY or type(part) is kind for part, kind in zip(parts, wanted, strict=True)
    )


def _keeps(old: LinearOperator, new: LinearOperator) -> bool:
    """Tell whether a rewrite kept shape, dtype, library and device; an operator without arrays fits any library."""
    return (
        (new.shape, new._is_complex) == (old.shape, old._is_complex)
        and (new.dtype is None) == (old.dtype is None)  # separately, as NumPy's float64 == None
        and new.dtype == old.dtype
        and new.xp in (None, old.xp)
        and new.device in (None, old.device)
    )


def _runs(count: int) -> Iterator[tuple[int, ...]]:
    """Yield the indices of two adjacent parts, then of three."""
    for width in (2, 3):
        for first in range(count - width + 1):
            yield tuple(range(first, first + width))


Candidates = Iterator[tuple[Rule, str, LinearOperator]]  # a rule, its description, and its result


class _Rewriting:
    """One call of `simplify`."""

    def __init__(self, A: LinearOperator) -> None:
        self.fired: list[str] = []  # per rule: its name, a colon, the operators before and after
        self.done: dict[int, tuple[Any, LinearOperator]] = {}  # by id, an operator and its simple form
        self.precision = None if A.dtype is None else dtypes.real_dtype(A.xp, dtypes.compute_dtype(A.xp, A.dtype))

    def may(self, rule: Rule, old: LinearOperator) -> bool:
        """Tell whether a rule may be tried: one that rounds needs the precision of the whole."""
        return not rule.rounds or (old.dtype is not None and dtypes.real_dtype(old.xp, old.dtype) == self.precision)

    def step(self, A: LinearOperator) -> Maybe:
        """Apply one rule to an operator whose parts are simple."""
        for rule, what, new in itertools.chain(self.neighbours(A), self.wholes(A)):
            if _keeps(A, new):
                self.fired.append(f"{rule.name}: {what}")
                return new
        return None

    def wholes(self, A: LinearOperator) -> Candidates:
        for rule in RULES:
            if rule.form is not type(A) or rule.of_neighbours or (rule.parts and not _fits(A._children, rule.parts)):
                continue
            if self.may(rule, A) and (new := rule.rewrite(A)) is not None:
                yield rule, f"{A._label} -> {new._label}", new

    def neighbours(self, A: LinearOperator) -> Candidates:
        """Try rules on two and three adjacent factors of a product, and on each two terms of a sum."""
        if not isinstance(A, Product | Sum):
            return
        sign = " @ " if isinstance(A, Product) else " + "
        for places in _runs(len(A.parts)) if isinstance(A, Product) else itertools.combinations(range(len(A.parts)), 2):
            some = tuple(A.parts[place] for place in places)
            for rule, new in self.offer(type(A), some):
                kept = [new if k == places[0] else part for k, part in enumerate(A.parts) if k not in places[1:]]
                yield rule, f"{sign.join(part._label for part in some)} -> {new._label}", rebuilt(A, tuple(kept))

    def offer(
        self, form: type[NaryOperator], parts: tuple[LinearOperator, ...]
    ) -> Iterator[tuple[Rule, LinearOperator]]:
        whole = form(parts)
        for rule in RULES:
            if rule.form is form and rule.of_neighbours and _fits(parts, rule.parts) and self.may(rule, whole):
                new = rule.rewrite(*parts)
                if new is not None:
                    yield rule, new
        if form is Product and all(isinstance(part, Adjoint) for part in parts):  # A^H B^H = (B A)^H
            for rule, new in self.offer(form, tuple(part.H for part in reversed(parts))):
                yield rule, new.H

    def simple(self, A: LinearOperator) -> LinearOperator:
        """Rewrite the parts, then the whole, until no rule fires."""
        seen = []
        while id(A) not in self.done:
            seen.append(A)
            children = tuple(map(self.simple, A._children))
            if all(map(operator.is_, children, A._children)):
                changed = self.step(A)
                if changed is None:
                    break
                A = changed
            else:
                A = rebuilt(A, children)
        simple = self.done[id(A)][1] if id(A) in self.done else A
        self.done.update({id(each): (each, simple) for each in seen})  # holding each keeps its id unique
        return simple


def rewritten(A: LinearOperator) -> tuple[LinearOperator, list[str]]:
    """Return the simple form, and a line for each rule that was applied."""
    rewriting = _Rewriting(A)
    return rewriting.simple(A), rewriting.fired
