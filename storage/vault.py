"""Envelope encryption of secrets at rest.

Each secret is encrypted under a data key of its own (AES-256-GCM), and that key under a
key-encryption key with an id. Turning to a new key-encryption key means wrapping small data keys
again; the secrets themselves are not touched.

Sealed bytes: format, length of the key id, key id, nonce + wrapped data key, nonce + ciphertext.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from models.errors import InvariantBroken

_FORMAT = 1
_KEY_BYTES = 32
_NONCE_BYTES = 12  # 96 bits, what GCM is made for (Source: NIST SP 800-38D, 8.2)
_WRAPPED_BYTES = _NONCE_BYTES + _KEY_BYTES + 16


@dataclass(frozen=True)
class _Envelope:
    key_id: str
    wrapped_key: bytes
    ciphertext: bytes

    def to_bytes(self) -> bytes:
        key_id = self.key_id.encode()
        return bytes([_FORMAT, len(key_id)]) + key_id + self.wrapped_key + self.ciphertext

    @classmethod
    def from_bytes(cls, sealed: bytes) -> "_Envelope":
        if len(sealed) < 2 or sealed[0] != _FORMAT:  # noqa: PLR2004  # format and length
            raise InvariantBroken("these bytes were not sealed by the vault")
        key_ends = 2 + sealed[1]
        wrapped_ends = key_ends + _WRAPPED_BYTES
        if len(sealed) < wrapped_ends + _NONCE_BYTES:
            raise InvariantBroken("a sealed secret is cut short")
        return cls(
            key_id=sealed[2:key_ends].decode(errors="replace"),
            wrapped_key=sealed[key_ends:wrapped_ends],
            ciphertext=sealed[wrapped_ends:],
        )


class Vault:
    """Seals with the key `active`, opens with any of `keys` (id to 32 bytes).

    `context` says where a secret lives ("table|row id|column") and is bound to it: a sealed secret
    copied to another row does not open there.
    """

    def __init__(self, keys: Mapping[str, bytes], active: str) -> None:
        if active not in keys:
            raise ValueError(f"the active key {active!r} is not among the keys")
        if any(len(key) != _KEY_BYTES for key in keys.values()):
            raise ValueError(f"every key has {_KEY_BYTES} bytes")
        self._keys = dict(keys)
        self._active = active

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        data_key = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
        return _Envelope(
            key_id=self._active,
            wrapped_key=self._wrap(data_key, context),
            ciphertext=_encrypt(data_key, plaintext, f"secret|{context}"),
        ).to_bytes()

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Raises InvariantBroken when the key is missing, or the bytes or context are not right."""
        envelope = _Envelope.from_bytes(sealed)
        data_key = self._unwrap(envelope, context)
        return _decrypt(data_key, envelope.ciphertext, f"secret|{context}")

    def key_id_of(self, sealed: bytes) -> str:
        """The id of the key-encryption key that is needed to open `sealed`."""
        return _Envelope.from_bytes(sealed).key_id

    def rewrap(self, sealed: bytes, *, context: str) -> bytes:
        """The same secret under the active key; the secret itself is not decrypted."""
        envelope = _Envelope.from_bytes(sealed)
        data_key = self._unwrap(envelope, context)
        return _Envelope(
            key_id=self._active,
            wrapped_key=self._wrap(data_key, context),
            ciphertext=envelope.ciphertext,
        ).to_bytes()

    def _wrap(self, data_key: bytes, context: str) -> bytes:
        return _encrypt(self._keys[self._active], data_key, f"key|{self._active}|{context}")

    def _unwrap(self, envelope: _Envelope, context: str) -> bytes:
        key = self._keys.get(envelope.key_id)
        if key is None:
            raise InvariantBroken(f"the key {envelope.key_id!r} that sealed a secret is not here")
        return _decrypt(key, envelope.wrapped_key, f"key|{envelope.key_id}|{context}")


def _encrypt(key: bytes, plaintext: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, bound_to.encode())


def _decrypt(key: bytes, sealed: bytes, bound_to: str) -> bytes:
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound_to.encode())
    except InvalidTag:
        raise InvariantBroken("a sealed secret does not open: changed, or moved") from None
