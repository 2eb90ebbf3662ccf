"""Locality-sensitive hashing: near vectors have equal codes more often than distant ones."""

from structmat.learn.hashing.angles import CrossPolytopeHash, HyperplaneHash
from structmat.learn.hashing.base import Hash
from structmat.learn.hashing.distances import DHHash
from structmat.learn.hashing.index import HashIndex

__all__ = ["CrossPolytopeHash", "DHHash", "Hash", "HashIndex", "HyperplaneHash"]
