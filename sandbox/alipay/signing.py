"""RSA2 as Alipay defines it: SHA-256 with RSA, PKCS #1 v1.5, base64, over `k=v&k=v` sorted by name.

Source: Alipay Open Platform, "sign" and "verify" chapters, read 2026-11-20.
"""

import base64
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_PEM_LINE = 64


def sign_content(params: Mapping[str, str], *, without: frozenset[str]) -> str:
    """The text that is signed: what has a value, sorted by name, raw."""
    kept = sorted((name, value) for name, value in params.items() if value and name not in without)
    return "&".join(f"{name}={value}" for name, value in kept)


def sign(key: rsa.RSAPrivateKey, content: bytes) -> str:
    return base64.b64encode(key.sign(content, padding.PKCS1v15(), hashes.SHA256())).decode()


def is_signed(key: rsa.RSAPublicKey, content: bytes, signature: str) -> bool:
    try:
        key.verify(
            base64.b64decode(signature, validate=True), content, padding.PKCS1v15(), hashes.SHA256()
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def spoiled(signature: str) -> str:
    """A signature of the right form that proves nothing."""
    first = "B" if signature.startswith("A") else "A"
    return first + signature[1:]


def read_public_key(text: str) -> rsa.RSAPublicKey:
    """Read PEM, or the bare base64 the merchants' tool gives. Raises ValueError."""
    pem = text.strip()
    if not pem.startswith("-----"):
        body = "".join(pem.split())
        lines = [body[at : at + _PEM_LINE] for at in range(0, len(body), _PEM_LINE)]
        pem = "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----"])
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the public key is no RSA key")
    return key


def write_public_key(key: rsa.RSAPublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
