"""Layers of random structured matrices in the place of `torch.nn.Linear`."""

from __future__ import annotations  # the documentation is built without PyTorch

import functools
import math
import operator as operators
from typing import TYPE_CHECKING, Any

import torch

from structmat.core.fields import checked_size
from structmat.nn._core import check_sizes, checked_block_size
from structmat.nn.torch.structured import StructuredLinear, rng_device
from structmat.projections import (
    block_circulant_projection,
    circulant_projection,
    fastfood,
    low_rank,
    toeplitz_projection,
)

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator


class RandomLinear(StructuredLinear):
    """Base class of the layers with a randomly initialised operator.

    Entries of the matrix have mean 0 and, on average, the variance of a `torch.nn.Linear`'s, 1/(3 in_features).
    """

    options: dict[str, Any]  # subclasses set theirs before they call `__init__`

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        title = type(self).__name__
        check_sizes(title, in_features, out_features)
        dtype = torch.get_default_dtype() if dtype is None else dtype
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise TypeError(f"{title}: dtype is {dtype}; expected a real floating dtype of torch.")
        self.options = {**self.__dict__.get("options", {}), "learn": learn}
        operator = self._init_operator(in_features, out_features, dtype, generator)
        where = torch.get_default_device() if device is None else torch.device(device)
        super().__init__(operator.to(device=where), bias, generator=generator)

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        """Draw a projection with E‖P x‖² = ‖x‖²."""
        raise NotImplementedError

    _scaled = slice(None)  # the parameters that are scaled: together they enter P linearly

    def _init_operator(self, d: int, k: int, dtype: torch.dtype, generator: torch.Generator | None) -> LinearOperator:
        seed = int(torch.randint(2**63 - 1, (), generator=generator, device=rng_device(generator)))
        P = self._projection(d, k, rng=seed, dtype=dtype, xp=torch, device=torch.device("cpu"))
        scaled = {id(value) for value in P.params[self._scaled]}
        scale = math.sqrt(k / (3 * d))
        P = P.with_params([value * scale if id(value) in scaled else value for value in P.params])
        if not self.options.get("signs", True):
            P = functools.reduce(operators.matmul, P.parts[:-1])  # type: ignore[attr-defined]
        return P if self.options["learn"] else P.freeze()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the operator and the bias anew; `generator` is the source of the draws, PyTorch's own unless given."""
        values = dict(zip(self._template.names, self._values(), strict=True))
        dtype = next(value.real.dtype for value in values.values() if value.is_floating_point() or value.is_complex())
        operator = self._init_operator(self.in_features, self.out_features, dtype, generator)
        new = dict(zip(self._template.names, operator._arrays, strict=True))
        self._set_integers({name: new[name] for name in self._integers})
        with torch.no_grad():
            for name in values.keys() - self._integers:
                values[name].copy_(new[name])
        self._reset_bias(generator)

    @property
    def _details(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.options.items() if value is not None)


class CirculantLinear(RandomLinear):
    """Affine layer of a circulant matrix, y = R D x + b, in the place of `torch.nn.Linear`.

    D flips random signs, which are fixed; R is circulant and learned. Any sizes: out_features ≤ in_features takes the
    first outputs of one circulant, a larger out_features puts several on top of each other, which share one transform
    of x.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of x and y.
    bias : bool, optional
        Whether b is learned; otherwise there is none.
    block_size : int, optional
        Size of circulant blocks, from 1 (a dense matrix) to max(in_features, out_features); those at the ends are cut.
        One circulant, or a stack of them, unless given.
    signs : bool, optional
        Whether there is a D.
    learn : bool, optional
        Whether R is learned; otherwise it is random and fixed.
    device : device, optional
        Where the module is.
    dtype : torch.dtype, optional
        Of its parameters.
    generator : torch.Generator, optional
        Source of all draws, PyTorch's own unless given.

    Raises
    ------
    ValueError
        A size is not a positive int, or `block_size` is larger than both sizes.
    TypeError
        `dtype` is not a real floating one.

    Notes
    -----
    The cost is that of `circulant_projection` or `block_circulant_projection`: for square layers of n features O(n)
    memory and O(n log n) time a vector.

    References
    ----------
    .. [1] Y. Cheng, F. X. Yu, R. S. Feris, S. Kumar, A. Choudhary and S.-F. Chang, "An exploration of parameter
       redundancy in deep networks with circulant projections", *ICCV* 2015.

    Examples
    --------
    >>> import torch
    >>> from structmat.nn.torch import CirculantLinear
    >>> layer = CirculantLinear(784, 100)
    >>> layer(torch.zeros(32, 784)).shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([32, 100]), 884)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        block_size: int | None = None,
        signs: bool = True,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.options = {"block_size": block_size, "signs": signs}
        super().__init__(in_features, out_features, bias, learn=learn, device=device, dtype=dtype, generator=generator)

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        block_size = self.options["block_size"]
        if block_size is None:
            return circulant_projection(d, k, **common)
        block_size = checked_block_size(type(self).__name__, d, k, block_size)
        return block_circulant_projection(d, k, block_size=block_size, **common)


class BlockCirculantLinear(CirculantLinear):
    """Affine layer of circulant blocks: `CirculantLinear` with a block size, and without signs by default.

    Parameters
    ----------
    block_size : int
        Size b of the blocks, which need not divide the sizes; at most the larger of these.
    in_features, out_features, bias, signs, learn, device, dtype, generator
        As for `CirculantLinear`, with its errors.

    References
    ----------
    .. [1] C. Ding et al., "CirCNN: accelerating and compressing deep neural networks using block-circulant weight
       matrices", *MICRO* 2017.

    Examples
    --------
    >>> from structmat.nn.torch import BlockCirculantLinear
    >>> BlockCirculantLinear(784, 100, block_size=50)
    BlockCirculantLinear(in_features=784, out_features=100, bias=True, block_size=50, signs=False, learn=True)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        block_size: int,
        bias: bool = True,
        *,
        signs: bool = False,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        common = {"signs": signs, "learn": learn, "device": device, "dtype": dtype, "generator": generator}
        super().__init__(in_features, out_features, bias, block_size=block_size, **common)


class ToeplitzLinear(RandomLinear):
    """Affine layer of a Toeplitz matrix after fixed random signs.

    Parameters
    ----------
    in_features, out_features, bias, signs, learn, device, dtype, generator
        As for `CirculantLinear`, with its errors.

    Examples
    --------
    >>> from structmat.nn.torch import ToeplitzLinear
    >>> sum(p.numel() for p in ToeplitzLinear(784, 100, bias=False).parameters())  # one entry has no effect
    884
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        signs: bool = True,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.options = {"signs": signs}
        super().__init__(in_features, out_features, bias, learn=learn, device=device, dtype=dtype, generator=generator)

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        return toeplitz_projection(d, k, **common)


class FastfoodLinear(RandomLinear):
    """Affine layer of adaptive Fastfood, S H G Π H B with learned diagonals and fixed transforms and permutation.

    Parameters
    ----------
    in_features, out_features, bias, learn, device, dtype, generator
        As for `CirculantLinear`, with its errors; x is padded to the next order of a Hadamard matrix.

    References
    ----------
    .. [1] Z. Yang, M. Moczulski, M. Denil, N. de Freitas, A. Smola, L. Song and Z. Wang, "Deep fried convnets", *ICCV*
       2015.

    Examples
    --------
    >>> from structmat.nn.torch import FastfoodLinear
    >>> sum(p.numel() for p in FastfoodLinear(784, 500, bias=False).parameters())
    2548
    """

    _scaled = slice(None, None, 3)  # S of S, G and B in each block

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        return fastfood(d, k, adaptive=True, **common)


class LowRankLinear(RandomLinear):
    """Affine layer of a matrix of low rank, U Vᵀ.

    Parameters
    ----------
    rank : int
        Columns of U and V; at most the smaller of the sizes.
    in_features, out_features, bias, learn, device, dtype, generator
        As for `CirculantLinear`, with its errors.

    References
    ----------
    .. [1] T. N. Sainath, B. Kingsbury, V. Sindhwani, E. Arisoy and B. Ramabhadran, "Low-rank matrix factorization for
       deep neural network training with high-dimensional output targets", *ICASSP* 2013.

    Examples
    --------
    >>> from structmat.nn.torch import LowRankLinear
    >>> sum(p.numel() for p in LowRankLinear(784, 100, rank=8, bias=False).parameters())
    7072
    """

    _scaled = slice(1)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int,
        bias: bool = True,
        *,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.options = {"rank": rank}
        super().__init__(in_features, out_features, bias, learn=learn, device=device, dtype=dtype, generator=generator)

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        rank = checked_size(type(self).__name__, "rank", self.options["rank"])
        if rank > min(d, k):
            raise ValueError(
                f"{type(self).__name__}: rank is {rank}; expected at most min(in_features, out_features) = {min(d, k)}."
            )
        return low_rank(d, k, rank, **common)
