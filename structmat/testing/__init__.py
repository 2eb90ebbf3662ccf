"""The operator contract as checks that anyone can run on an operator of their own."""

from structmat.testing.checks import CHECKS, check_operator
from structmat.testing.reference import dense_pair

__all__ = ["CHECKS", "check_operator", "dense_pair"]
