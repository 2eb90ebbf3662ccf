"""Shorter operators of the same values: one table of rules, applied from the leaves up until none fires."""

import logging

from structmat.core import LinearOperator
from structmat.rewrite.engine import rewritten
from structmat.rewrite.table import RULES

__all__ = ["RULES", "rewritten", "simplify"]

log = logging.getLogger("structmat")


def simplify(A: LinearOperator, verbose: bool = False) -> LinearOperator:
    """Shorten an operator: multiply, add and cancel parts whose product or sum has their structure.

    Rules are applied from the leaves up until none fires. Products of circulants become one circulant, sign flips and
    diagonals one diagonal, and a unitary operator cancels with its own adjoint. Nothing becomes dense, no rule makes
    more leaves or larger arrays, and the operator given is left as it is.

    Parameters
    ----------
    A : LinearOperator
        Any tree of operators.
    verbose : bool, optional
        Tell which rules fire, one line each, through the logger "structmat" at level INFO. Where the program has
        set up no logging, the lines go to standard error.

    Returns
    -------
    LinearOperator
        Of the shape and dtype of A, for the same arrays. Its products are those of A to rounding in the dtype of A. It
        is A itself if no rule fires.

    Raises
    ------
    TypeError
        A is no operator.

    Notes
    -----
    The parameters of the result are new arrays, functions of the old ones, and usually fewer: simplify for inference,
    after training. Constants and parameters are not mixed: leaves become one only if all are frozen or none is. Signs
    and identities, which have no parameters, go with either.

    Arrays of lower precision than the whole are left alone, since rounding their products would show; half precision
    always is, since its products are computed in single. A complex multiple of a real leaf is left alone too, since a
    complex leaf takes twice the memory.

    Operators are the same if they hold the same array objects or are made with the same sizes. No values are looked
    at, so `simplify` works in `jax.jit`, and PyTorch differentiates through it. An operator that cancels altogether
    becomes an `Identity`, which has no arrays and takes those of any library.

    Cost: that of the arithmetic on parameters, such as three transforms for two circulants; O(m n k) for two dense
    matrices, and only where their product is no larger than they are.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> C = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> S = sm.SignFlip(np.asarray([1, -1, 1]))
    >>> A = 2 * C @ S @ S @ C.H
    >>> sm.simplify(A)
    Circulant(3×3, dtype=float64, xp=numpy, device=cpu, params=3)
    >>> sm.simplify(A).column
    array([28., 22., 22.])
    """
    if not isinstance(A, LinearOperator):
        raise TypeError(f"simplify: A is a {type(A).__name__}; expected a LinearOperator.")
    simple, fired = rewritten(A)
    if verbose:
        _tell([f"simplify: {line}" for line in fired or ["no rule fires"]])
    return simple


def _tell(lines: list[str]) -> None:
    """Log for a program that listens, or else write to standard error: who asks to be told should be."""
    for line in lines:
        if log.hasHandlers():
            log.info("%s", line)
        else:
            record = log.makeRecord(log.name, logging.INFO, __file__, 0, line, (), None)
            logging.StreamHandler().handle(record)
