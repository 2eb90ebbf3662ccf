"""Operators as operators of the package linear_operator, which GPyTorch is built on."""

from collections.abc import Sequence
from typing import Any

import linear_operator
import torch

from structmat.core.base import LinearOperator
from structmat.interop.template import check_library
from structmat.interop.torch import matvec


class TorchOperator(linear_operator.LinearOperator):  # type: ignore[misc]
    """A structmat operator as a `linear_operator.LinearOperator`, made by `LinearOperator.to_linear_operator`.

    Attributes
    ----------
    operator : structmat.LinearOperator
        The operator inside; its parameters are the tensors that represent this one.
    batch : torch.Size
        Leading axes, over which the one operator is repeated.
    """

    def __init__(self, *params: torch.Tensor, operator: LinearOperator, batch: Sequence[int] = ()) -> None:
        super().__init__(*params, operator=operator, batch=batch)
        if params:  # they may have been moved without signs and indices
            operator = operator.to(device=params[0].device).with_params(params)
        self.operator, self.batch = operator, torch.Size(batch)

    def _repeated(self, batch: Sequence[int]) -> "TorchOperator":
        return TorchOperator(*self.operator.params, operator=self.operator, batch=batch)

    @property
    def dtype(self) -> torch.dtype:
        """The operator's dtype, or PyTorch's default for an operator without parameters."""
        return torch.get_default_dtype() if self.operator.dtype is None else self.operator.dtype

    @property
    def device(self) -> torch.device:
        """The device of the operator's arrays, or PyTorch's default for an operator without any."""
        return torch.get_default_device() if self.operator.device is None else self.operator.device

    def _size(self) -> torch.Size:
        return torch.Size((*self.batch, *self.operator.shape))

    def _matmul(self, rhs: torch.Tensor) -> torch.Tensor:
        if rhs.ndim == 1:
            return matvec(self.operator, rhs)
        return matvec(self.operator, _broadcast(self.batch, rhs)).mT

    def _transpose_nonbatch(self) -> "TorchOperator":
        transposed = self.operator.T
        return TorchOperator(*transposed.params, operator=transposed, batch=self.batch)

    def _bilinear_derivative(self, left_vecs: torch.Tensor, right_vecs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        g, x = _broadcast(right_vecs.shape[:-2], left_vecs), _broadcast(left_vecs.shape[:-2], right_vecs)
        return self.operator.vjp(x, g)[1]

    def _expand_batch(self, batch_shape: Sequence[int]) -> "TorchOperator":
        return self._repeated(batch_shape)

    def _unsqueeze_batch(self, dim: int) -> "TorchOperator":
        return self._repeated((*self.batch[:dim], 1, *self.batch[dim:]))

    def _permute_batch(self, *dims: int) -> "TorchOperator":
        return self._repeated([self.batch[dim] for dim in dims])

    def _getitem(self, row_index: Any, col_index: Any, *batch_indices: Any) -> linear_operator.LinearOperator:
        if all(isinstance(index, slice) and index == slice(None) for index in (row_index, col_index)):
            return self._repeated(torch.empty(self.batch, device="meta")[batch_indices].shape)
        return super()._getitem(row_index, col_index, *batch_indices)


def _broadcast(batch: Sequence[int], matrices: torch.Tensor) -> torch.Tensor:
    """Bring the columns of matrices to the last axis, for each of a batch."""
    vectors = matrices.mT
    return vectors.expand(*torch.broadcast_shapes(batch, vectors.shape[:-2]), *vectors.shape[-2:])


def to_linear_operator(A: LinearOperator) -> TorchOperator:
    """Wrap an operator for linear_operator; see `LinearOperator.to_linear_operator`."""
    check_library(f"{A._head}.to_linear_operator: the operator", A, "torch")
    if A._is_complex:
        raise TypeError(
            f"{A._head}.to_linear_operator: the operator is complex; expected a real one: the derivatives of "
            f"linear_operator leave conjugates out."
        )
    return TorchOperator(*A.params, operator=A)
