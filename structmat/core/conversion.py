"""Other libraries' operators, made by adapters that are imported at first use."""

from typing import Any

from structmat._backend import packages
from structmat._backend.types import DType
from structmat.core.contract import Contract
from structmat.core.extensions import extensions


class Conversion(Contract):
    """Wrappers for the solvers of other libraries."""

    def to_scipy(self, dtype: DType = None) -> Any:
        """Wrap the operator as a `scipy.sparse.linalg.LinearOperator`.

        Solvers that multiply one vector at a time take an operator as it is, if it has a dtype. Those that multiply
        several columns, or ask for SciPy's own class, such as `~scipy.sparse.linalg.svds`,
        `~scipy.sparse.linalg.lobpcg` and `~scipy.sparse.linalg.expm_multiply`, need the wrapper, and so do operators
        without numbers, such as `DCT`.

        Parameters
        ----------
        dtype : dtype, optional
            Dtype of the wrapper: the operator's, or double precision for an operator without parameters.

        Returns
        -------
        SciPyOperator
            A subclass of SciPy's class with batched `matmat` and `rmatmat`; it pickles, and its attribute `operator`
            is this operator.

        Raises
        ------
        TypeError
            The operator's arrays are not NumPy's and SciPy is older than 1.18.

        Notes
        -----
        With SciPy 1.18 and later the wrapper of an operator of another library has the methods `matvec`, `rmatvec`,
        `matmat` and `rmatmat`. SciPy's own algebra, such as `S @ x` and `S + S`, needs the environment variable
        SCIPY_ARRAY_API=1 then, and most of its solvers take NumPy only.

        Examples
        --------
        >>> import numpy as np
        >>> import structmat as sm
        >>> from scipy.sparse.linalg import svds
        >>> A = sm.Circulant(np.asarray([4.0, 1.0, 0.0, 1.0]))
        >>> svds(A.to_scipy(), k=1, return_singular_vectors=False)
        array([6.])
        """
        return extensions.adapter("scipy").to_scipy(self, dtype)

    def to_cupyx(self, dtype: DType = None) -> Any:
        """Wrap the operator as a `cupyx.scipy.sparse.linalg.LinearOperator`.

        Parameters
        ----------
        dtype : dtype, optional
            Dtype of the wrapper: the operator's, or double precision for an operator without parameters.

        Returns
        -------
        CuPyOperator
            A subclass of CuPy's class with batched `matmat` and `rmatmat`; it pickles, and its attribute `operator` is
            this operator.

        Raises
        ------
        ImportError
            CuPy is not installed.
        TypeError
            The operator's arrays are not CuPy's.

        Notes
        -----
        CuPy's solvers convert the right-hand side to the operator's dtype, so one in single precision solves in single
        precision.
        """
        packages.import_optional(f"{self._head}.to_cupyx", "cupyx.scipy.sparse.linalg", "cuda12")
        return extensions.adapter("cupyx").to_cupyx(self, dtype)

    def to_pylops(self) -> Any:
        """Wrap the operator as a `pylops.LinearOperator`, for PyLops' solvers and combinations.

        Returns
        -------
        pylops.LinearOperator
            Of this operator's shape and dtype.

        Raises
        ------
        ImportError
            PyLops is not installed.
        TypeError
            As for `to_scipy`.
        """
        return packages.import_optional(f"{self._head}.to_pylops", "pylops", "pylops").aslinearoperator(self.to_scipy())

    def to_linear_operator(self) -> Any:
        """Wrap the operator for the package linear_operator, which GPyTorch is built on.

        Returns
        -------
        TorchOperator
            A subclass of `linear_operator.LinearOperator`, represented by the parameters, which its solvers,
            determinants and products send gradients to; its attribute `operator` is this operator.

        Raises
        ------
        ImportError
            The package is not installed.
        TypeError
            The operator's arrays are not PyTorch's, or it is complex, which linear_operator's derivatives are not made
            for.
        """
        packages.import_optional(f"{self._head}.to_linear_operator", "linear_operator", "linear_operator")
        return extensions.adapter("linear_operator").to_linear_operator(self)

    def to_lineax(self, dtype: DType = None, tags: Any = ()) -> Any:
        """Wrap the operator as a `lineax.AbstractLinearOperator`, for lineax's solvers in JAX.

        Parameters
        ----------
        dtype : dtype, optional
            Dtype of the vectors that it multiplies: the operator's, or JAX's default for an operator without
            parameters.
        tags : lineax tag or iterable of them, optional
            What is known of the matrix, such as `lineax.positive_semidefinite_tag`, which `lineax.CG` asks for. Tags
            are trusted. None are guessed: whether a matrix is symmetric depends on the values of its parameters.

        Returns
        -------
        LineaxOperator
            A pytree whose leaves are this operator's arrays; its attribute `operator` is this operator, put together
            again.

        Raises
        ------
        ImportError
            lineax is not installed.
        TypeError
            The operator's arrays are not JAX's.

        Notes
        -----
        Gradients are taken by JAX, so complex ones are the conjugates of `vjp`'s.
        """
        packages.import_optional(f"{self._head}.to_lineax", "lineax", "lineax")
        return extensions.adapter("lineax").to_lineax(self, dtype, tags)
