"""Simplification of operators: a table of rules, applied from the leaves up until no rule applies."""

import logging

from structmat.core import LinearOperator
from structmat.rewrite.engine import rewritten
from structmat.rewrite.table import RULES

__all__ = ["RULES", "rewritten", "simplify"]

log = logging.getLogger("structmat")


def simplify(A: LinearOperator, verbose: bool = False) -> LinearOperator:
    """Simplify an operator: multiply, add and cancel parts whose product or sum has their structure.

    Rules are applied from the leaves up until no rule applies. They cover

    * spectral families: products, powers and inverses of circulants (of one level or several, skew-circulant,
      f-circulant, block-circulant) and of diagonals stay in the family, and a diagonal between two Fourier transforms
      is a circulant;
    * leaves that are linear in their parameters, such as these and Toeplitz, Hankel, banded and dense matrices:
      multiples, sums, conjugates and adjoints stay in the class, also if one term is a special case of another, as an
      identity or a circulant is of a Toeplitz matrix;
    * permutations, shifts, selections and sign flips, whose products are merged;
    * dense and low-rank matrices, which absorb a neighbour;
    * unitary operators, inverses and zeros, which cancel;
    * scalars, powers, blocks, repetitions and Kronecker products, whose parts are multiplied and added;
    * sums of Kronecker products of circulants, as C ⊗ I + I ⊗ D, which are multilevel circulants.

    A structured operator becomes dense only beside a dense one, the number of leaves never grows, and A is unchanged.
    Leaves of other classes take part by the facts that their classes declare.

    Parameters
    ----------
    A : LinearOperator
        Any operator.
    verbose : bool, optional
        Log each rule that is applied, in one line, with the logger "structmat" at level INFO. If the program has not
        configured logging, the lines go to standard error.

    Returns
    -------
    LinearOperator
        Of the shape, dtype and array library of A. Its products equal those of A up to rounding in the dtype of A. It
        is A itself if no rule applies.

    Raises
    ------
    TypeError
        A is not an operator.

    Notes
    -----
    The parameters of the result are new arrays, functions of the old ones, and usually fewer: simplify for inference,
    after training; a multilevel circulant has one per row. Constants and parameters are not mixed: leaves are merged
    only if all are frozen or none is. Signs and identities, which have no parameters, merge with either.

    Leaves of lower precision than the whole are not merged, since rounding of their product would show; nor are leaves
    in half precision, whose products are computed in single precision. A complex multiple of a real leaf is not merged
    either, since a complex leaf takes twice the memory; only between Fourier transforms, which are complex, a real leaf
    becomes a complex one.

    Two operators count as equal if they hold the same array objects or have the same sizes. Array values are never
    read, so `simplify` works in `jax.jit`, and PyTorch differentiates through it. A product that cancels completely
    becomes an `Identity`, which has no arrays and takes vectors of any library.

    Cost: the arithmetic on parameters, such as three transforms for two circulants. A dense matrix absorbs an operator
    at the cost of one product per column, or row, and only if the number of stored reals does not grow.

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
        _log([f"simplify: {line}" for line in fired or ["no rule fires"]])
    return simple


def _log(lines: list[str]) -> None:
    """Log lines, or write them to standard error if the program has not configured logging."""
    for line in lines:
        if log.hasHandlers():
            log.info("%s", line)
        else:
            record = log.makeRecord(log.name, logging.INFO, __file__, 0, line, (), None)
            logging.StreamHandler().handle(record)
