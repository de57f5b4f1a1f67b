"""Everything Temporal stores is encrypted before it leaves our process.

AES-256-GCM with a random 96-bit nonce. Each payload names the key that made it, so a new key can
take over while histories written under an old one stay readable.
"""

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

_ENCODING = b"binary/encrypted"
_NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """A payload names a key we do not hold, or was changed on its way."""


class PayloadEncryption(PayloadCodec):
    """Encrypts with the key `active`; decrypts with any of `keys` (id to 32 raw bytes)."""

    def __init__(self, keys: Mapping[str, bytes], active: str) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._active = active
        self._cipher = self._ciphers[active]

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what we encrypted and pass everything else through. Raises CannotDecrypt."""
        return [self._open(payload) for payload in payloads]

    def _seal(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        key_id = self._active.encode()
        return Payload(
            metadata={"encoding": _ENCODING, "encryption-key-id": key_id},
            data=nonce + self._cipher.encrypt(nonce, payload.SerializeToString(), key_id),
        )

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING:
            return payload
        key_id = payload.metadata["encryption-key-id"]
        cipher = self._ciphers.get(key_id.decode())
        if cipher is None:
            raise CannotDecrypt(
                f"no key {key_id.decode()!r} here; add it to PAYCENTER_PAYLOAD_KEYS"
            )
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, key_id))
        except InvalidTag:
            raise CannotDecrypt("the payload was changed, or its key is another one") from None
