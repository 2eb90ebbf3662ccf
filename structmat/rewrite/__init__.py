"""Shorter operators of the same values: one table of rules, applied from the leaves up until none fires."""

import logging

from structmat.core import LinearOperator
from structmat.rewrite.engine import rewritten
from structmat.rewrite.table import RULES

__all__ = ["RULES", "rewritten", "simplify"]

log = logging.getLogger("structmat")


def simplify(A: LinearOperator, verbose: bool = False) -> LinearOperator:
    """Shorten an operator: multiply, add and cancel parts whose product or sum has their structure.

    Rules are applied from the leaves up until none fires. They know

    * families with spectra: products, powers and inverses of circulants of every kind (one level or many, skew,
      f-circulant, of blocks) and of diagonals are one of them, and a diagonal between two Fourier transforms is a
      circulant;
    * leaves that are linear in their arrays, these and Toeplitz, Hankel, banded and dense ones: multiples, sums,
      conjugates and adjoints of them are one of them, also where a term is a special case of another, such as an
      identity or a circulant of a Toeplitz matrix;
    * moves: permutations, shifts, selections and sign flips become one of a kind;
    * dense matrices and those of low rank, which take in a neighbour;
    * unitary operators, inverses and zeros, which cancel;
    * scalars, powers, blocks, repetitions and Kronecker products, whose parts are multiplied and added;
    * sums of Kronecker products of circulants, as C ⊗ I + I ⊗ D, which are circulants of several levels.

    Nothing structured becomes dense but in a dense neighbour, no rule makes more leaves, and the operator given is
    left as it is.

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
    after training. A circulant of several levels has as many as it has rows. Constants and parameters are not mixed:
    leaves become one only if all are frozen or none is. Signs and identities, which have no parameters, go with either.

    Arrays of lower precision than the whole are left alone, since rounding their products would show; half precision
    always is, since its products are computed in single. A complex multiple of a real leaf is left alone too, since a
    complex leaf takes twice the memory; only Fourier transforms around a real leaf, which are complex themselves, make
    a complex one of it.

    Operators are the same if they hold the same array objects or are made with the same sizes. No values are looked
    at, so `simplify` works in `jax.jit`, and PyTorch differentiates through it. An operator that cancels altogether
    becomes an `Identity`, which has no arrays and takes those of any library.

    Cost: that of the arithmetic on parameters, such as three transforms for two circulants. A dense matrix takes in an
    operator A for as many products with A as it has columns, or rows, and only where it has no more numbers then than
    both have before.

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
