"""The sandbox's own Alipay key, root CA and certificates: made at first start, then kept."""

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

_KEY_BITS = 2048
_LIFETIME = timedelta(days=3650)  # a sandbox outlives no decade
_BACKDATED = timedelta(days=1)  # so that a merchant's clock may be behind ours
_RSA_SIGNATURES = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA1,
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
    }
)
_SHORT = {
    NameOID.COUNTRY_NAME: "C",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COMMON_NAME: "CN",
}


class Authority:
    """Alipay's signing key with its certificate, and the root that issued it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._root_key = _kept_key(folder / "root-private-key.pem")
        self.key = _kept_key(folder / "alipay-private-key.pem")
        root_name = _name("Sandbox Root CA")
        self.root = _kept_certificate(
            folder / "root-certificate.crt",
            lambda: self._issue(root_name, self._root_key.public_key(), authority=True),
        )
        self.certificate = _kept_certificate(
            folder / "alipay-certificate.crt",
            lambda: self._issue(_name("Sandbox Alipay"), self.key.public_key()),
        )
        self.certificate_sn = serial_of(self.certificate)
        self.root_sn = root_serial_of([self.root])

    def certificate_for(self, app_id: str, key: rsa.RSAPublicKey) -> x509.Certificate:
        """An app certificate for a merchant's public key."""
        return self._issue(_name(app_id), key)

    def has_issued(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self.root)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def _issue(
        self, subject: x509.Name, key: rsa.RSAPublicKey, *, authority: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("Sandbox Root CA"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(self._root_key, hashes.SHA256())
        )


def serial_of(certificate: x509.Certificate) -> str:
    """Alipay's name for a certificate: MD5 of its issuer (last part first) and decimal serial."""
    parts = [
        f"{_SHORT.get(part.oid, part.rfc4514_attribute_name)}={part.value!s}"
        for part in reversed(list(certificate.issuer))
    ]
    text = ",".join(parts) + str(certificate.serial_number)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def root_serial_of(certificates: list[x509.Certificate]) -> str:
    """The names of all roots signed with RSA, joined by `_`."""
    signed_with_rsa = (
        certificate
        for certificate in certificates
        if certificate.signature_algorithm_oid in _RSA_SIGNATURES
    )
    return "_".join(serial_of(certificate) for certificate in signed_with_rsa)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Payment Sandbox"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Not For Production"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _kept_key(path: Path) -> rsa.RSAPrivateKey:
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError(f"{path.name} holds no RSA key")
        return key
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    _write_once(
        path,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    return key


def _kept_certificate(path: Path, make: Callable[[], x509.Certificate]) -> x509.Certificate:
    if path.exists():
        return x509.load_pem_x509_certificate(path.read_bytes())
    certificate = make()
    _write_once(path, pem(certificate).encode())
    return certificate


def _write_once(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
