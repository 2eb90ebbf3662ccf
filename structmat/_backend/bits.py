"""Bits: packed into bytes, and counted."""

from structmat._backend.arrays import Array, Namespace, astype, device, pad


def pack_bits(xp: Namespace, bits: Array) -> Array:
    """Pack bools (..., k) into bytes (..., ⌈k/8⌉), the first into the highest place, as `numpy.packbits`."""
    octets = pad(xp, astype(xp, bits, xp.uint8), 0, -bits.shape[-1] % 8)
    octets = xp.reshape(octets, (*bits.shape[:-1], octets.shape[-1] // 8, 8))
    places = xp.asarray([128, 64, 32, 16, 8, 4, 2, 1], dtype=xp.uint8, device=device(bits))
    return xp.sum(octets * places, axis=-1, dtype=xp.uint8)


def popcount(xp: Namespace, x: Array) -> Array:
    """Count the ones in each byte."""
    if hasattr(xp, "bitwise_count"):
        return xp.bitwise_count(x)
    # in pairs, then in fours, then in all eight (Warren, Hacker's Delight, 2nd edition, section 5-1)
    x = x - ((x >> 1) & 0x55)
    x = (x & 0x33) + ((x >> 2) & 0x33)
    return (x + (x >> 4)) & 0x0F


def least(xp: Namespace, x: Array, count: int) -> Array:
    """Return the smallest entries along the last axis, in ascending order."""
    if hasattr(xp, "partition") and count < x.shape[-1]:
        x = xp.partition(x, count - 1, axis=-1)[..., :count]
    return xp.sort(x, axis=-1)[..., :count]
