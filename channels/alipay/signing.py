"""RSA2: RSASSA-PKCS1-v1_5 with SHA-256 over sorted `name=value` text.

Source: alipay-sdk-python 3.7.1411 `SignatureUtils` and alipay-sdk-nodejs-all `util.ts`, read on
2026-11-20.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256


def request_content(fields: Mapping[str, str]) -> bytes:
    """What is signed of a request: everything but `sign` and empty values, sorted, not escaped."""
    pairs = sorted((k, v) for k, v in fields.items() if k != "sign" and v)
    return "&".join(f"{name}={value}" for name, value in pairs).encode()


def callback_contents(fields: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
    """The two texts a callback may be signed over: without `sign_type`, and with it.

    Trade notices use the first form, service-market notices the second (verified on both kinds of
    real message). Raw bytes in the callback's own charset; empty values count.
    """
    return _joined(fields, {b"sign", b"sign_type"}), _joined(fields, {b"sign"})


def sign(content: bytes, key: RSAPrivateKey) -> str:
    """The signature in base64."""
    return base64.b64encode(key.sign(content, PKCS1v15(), SHA256())).decode()


def is_signed_by_any(content: bytes, signature: str, keys: Iterable[RSAPublicKey]) -> bool:
    """Whether `signature`, in strict base64, is one of `content` by any of `keys`."""
    raw = _strict_base64(signature)
    return raw is not None and any(_verifies(content, raw, key) for key in keys)


def _joined(fields: Mapping[bytes, bytes], without: set[bytes]) -> bytes:
    return b"&".join(
        name + b"=" + value for name, value in sorted(fields.items()) if name not in without
    )


def _verifies(content: bytes, signature: bytes, key: RSAPublicKey) -> bool:
    try:
        key.verify(signature, content, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _strict_base64(text: str) -> bytes | None:
    """The bytes of `text`, None unless it is their one canonical spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None
