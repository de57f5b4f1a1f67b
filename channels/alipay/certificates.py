"""Alipay's certificate mode: reading keys and certificates, serial numbers, chains.

Source: reference vectors of alipay-sdk-nodejs-all (certificate serial numbers), read 2026-11-20.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

# RSA2 accounts have 2048 bits; anything shorter is RSA1 or a mistake.
KEY_BITS_MIN = 2048

# Leaf, one or two intermediates, root: a longer path is no Alipay chain.
_CHAIN_MAX = 5

_PEM_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL
)
_RSA_SIGNATURE_OIDS = "1.2.840.113549.1.1."


def read_private_key(text: str) -> RSAPrivateKey:
    """Read a PEM, or the bare base64 Alipay's own tools give (PKCS#1 or PKCS#8).

    Raises ValueError that says what is wrong, and never quotes the key.
    """
    try:
        key = (
            load_pem_private_key(text.encode(), None)
            if text.lstrip().startswith("-----")
            else load_der_private_key(_bare_base64(text), None)
        )
    except TypeError:
        raise ValueError("is protected by a password; give it without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no private key in PEM, nor the base64 inside one") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("is not an RSA key")
    _check_size(key.key_size)
    return key


def read_public_key(text: str) -> RSAPublicKey:
    """Read a PEM or bare base64 public key. Raises ValueError that says what is wrong."""
    try:
        key = (
            load_pem_public_key(text.encode())
            if text.lstrip().startswith("-----")
            else load_der_public_key(_bare_base64(text))
        )
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no public key in PEM, nor the base64 inside one") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("is not an RSA key")
    _check_size(key.key_size)
    return key


def read_certificates(text: str) -> tuple[x509.Certificate, ...]:
    """All RSA-signed certificates of a PEM text, in their order.

    Alipay's root bundle also holds SM2 and ECDSA roots, one of which is not strict DER; they take
    no part in RSA2 and are passed over. Raises ValueError when no RSA one is left.
    """
    blocks = _PEM_CERTIFICATE.findall(text.encode())
    if not blocks:
        raise ValueError("holds no certificate in PEM")
    found = tuple(certificate for block in blocks if (certificate := _rsa_certificate(block)))
    if not found:
        raise ValueError("holds no certificate with an RSA signature")
    return found


def rsa_key_of(certificate: x509.Certificate) -> RSAPublicKey:
    """The public key in a certificate. Raises ValueError unless it is an RSA key, long enough."""
    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm:
        raise ValueError("holds no RSA key") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("holds no RSA key")
    _check_size(key.key_size)
    return key


def serial_number(certificate: x509.Certificate) -> str:
    """Alipay's own serial: MD5 of the issuer, last part first, and the decimal serial number."""
    issuer = ",".join(
        f"{attribute.rfc4514_attribute_name}={attribute.value!s}"
        for part in reversed(certificate.issuer.rdns)
        for attribute in part
    )
    text = f"{issuer}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def root_serial_number(roots: Sequence[x509.Certificate]) -> str:
    """The serial of a root bundle: those of its RSA-signed certificates, joined by `_`."""
    return "_".join(serial_number(root) for root in roots)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate may issue others."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return constraints.value.ca


def is_valid_at(certificate: x509.Certificate, moment: datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def leads_to_a_root(
    certificate: x509.Certificate,
    *,
    intermediates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    moment: datetime | None,
) -> bool:
    """Whether signatures lead from `certificate` to one of `roots`, over `intermediates`.

    Every issuer must be an authority and, when `moment` is given, valid then.
    """
    current = certificate
    for _ in range(_CHAIN_MAX):
        if _issuer_of(current, roots, moment) is not None:
            return True
        issuer = _issuer_of(current, intermediates, moment)
        if issuer is None:
            return False
        current = issuer
    return False


def _issuer_of(
    certificate: x509.Certificate, candidates: Sequence[x509.Certificate], moment: datetime | None
) -> x509.Certificate | None:
    for candidate in candidates:
        usable = is_authority(candidate) and (moment is None or is_valid_at(candidate, moment))
        if usable and _is_issued_by(certificate, candidate):
            return candidate
    return None


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _rsa_certificate(block: bytes) -> x509.Certificate | None:
    try:
        certificate = x509.load_pem_x509_certificate(block)
    except ValueError:
        return None
    is_rsa = certificate.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURE_OIDS)
    return certificate if is_rsa else None


def _bare_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("is not base64") from None


def _check_size(bits: int) -> None:
    if bits < KEY_BITS_MIN:
        raise ValueError(f"has {bits} bits; RSA2 needs at least {KEY_BITS_MIN}")
