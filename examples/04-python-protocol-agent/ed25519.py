"""Signs with an nkey: Ed25519 (RFC 8032) and the text form of NATS keys. Standard library only.

Slow (milliseconds) and not constant in time: good for one signature per connection on one's own machine. Use a library
where somebody could measure how long a signature takes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

P = 2**255 - 19  # the field
L = 2**252 + 27742317777372353535851937790883648493  # the order of the base point
D = -121665 * pow(121666, P - 2, P) % P  # the curve: -x² + y² = 1 + D x² y²

# Points are (X, Y, Z, T) with x = X/Z, y = Y/Z and xy = T/Z: adding them needs no division.
NEUTRAL = (0, 1, 1, 0)


def _base_point():
    y = 4 * pow(5, P - 2, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x % 2:
        x = P - x
    return (x, y, 1, x * y % P)


def _add(one, two):
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c = 2 * D * one[3] * two[3] % P
    d = 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _multiply(scalar, point):
    product = NEUTRAL
    while scalar:
        if scalar & 1:
            product = _add(product, point)
        point = _add(point, point)
        scalar >>= 1
    return product


BASE = _base_point()


def _encode(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


class Key:
    """A private key of 32 bytes."""

    def __init__(self, secret: bytes):
        digest = hashlib.sha512(secret).digest()
        # The lowest three bits and the highest are cleared, the second highest is set.
        self._scalar = (int.from_bytes(digest[:32], "little") & ~7 & (1 << 255) - 1) | 1 << 254
        self._prefix = digest[32:]
        self.public = _encode(_multiply(self._scalar, BASE))

    @classmethod
    def from_seed(cls, text: str) -> Key:
        """The key in a file that holds a user's seed: `SU…`, alone or between the lines that the stock tools write."""
        for line in text.split():
            if line.startswith("SU"):
                raw = base64.b32decode(line + "=" * (-len(line) % 8))
                if len(raw) == 36 and binascii.crc_hqx(raw[:-2], 0).to_bytes(2, "little") == raw[-2:]:
                    return cls(raw[2:-2])
        raise ValueError("there is no undamaged user seed (SU…)")

    def public_text(self) -> str:
        """The public key as NATS writes it: `U…`."""
        raw = bytes([20 << 3]) + self.public
        return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")

    def sign(self, text: bytes) -> bytes:
        """The signature of 64 bytes."""
        nonce = _number(self._prefix, text) % L
        point = _encode(_multiply(nonce, BASE))
        challenge = _number(point, self.public, text) % L
        return point + ((nonce + challenge * self._scalar) % L).to_bytes(32, "little")
