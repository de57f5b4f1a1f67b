"""What an Alipay account needs, checked when it is entered and parsed once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from channels.alipay import certificates
from channels.base import Certificate, ChannelParameters

# Keys and certificates are a few KiB; a root bundle of four certificates is 6 KiB.
_PEM_MAX = 32_768

Given = TypeVar("Given")
Read = TypeVar("Read")

_Pem = Annotated[str, Field(min_length=1, max_length=_PEM_MAX)]


@dataclass(frozen=True, slots=True)
class AlipayKey:
    """A public key of Alipay's. With a certificate: its serial, and when it is valid."""

    key: RSAPublicKey
    serial: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None

    def is_valid_at(self, moment: datetime) -> bool:
        after_start = self.not_before is None or self.not_before <= moment
        return after_start and (self.not_after is None or moment <= self.not_after)


class AlipayParameters(ChannelParameters):
    """An app at Alipay and the account that takes the money.

    Either `alipay_public_key` (key mode), or all of `app_certificate`, `alipay_certificate` and
    `alipay_root_certificate` (certificate mode).
    """

    model_config = ConfigDict(hide_input_in_errors=True, str_strip_whitespace=True)

    app_id: Annotated[str, Field(pattern=r"^[0-9]{16,32}$", description="APPID of the app")]
    seller_id: Annotated[
        str, Field(pattern=r"^2088[0-9]{12}$", description="PID of the account that is paid")
    ]
    app_private_key: Annotated[
        SecretStr,
        Field(
            min_length=1,
            max_length=_PEM_MAX,
            description="RSA2 key of the app: PEM, or the base64 Alipay's tools write",
        ),
    ]
    alipay_public_key: Annotated[
        _Pem | None, Field(description="key mode: Alipay's public key, not the app's")
    ] = None
    app_certificate: Annotated[
        _Pem | None, Field(description="certificate mode: appCertPublicKey_….crt")
    ] = None
    alipay_certificate: Annotated[
        _Pem | None,
        Field(
            description="certificate mode: alipayCertPublicKey_RSA2.crt; while Alipay changes "
            "certificates the old and the new one, one after the other"
        ),
    ] = None
    alipay_root_certificate: Annotated[
        _Pem | None, Field(description="certificate mode: alipayRootCert.crt")
    ] = None

    _signing_key: RSAPrivateKey = PrivateAttr()
    _alipay_keys: tuple[AlipayKey, ...] = PrivateAttr(default=())
    _own_ends_at: datetime | None = PrivateAttr(default=None)
    _certificate_fields: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _parse(self, info: ValidationInfo) -> Self:
        """Parse everything once. With `now` in the context, certificates must be valid then."""
        now: datetime | None = (info.context or {}).get("now")
        secret = self.app_private_key.get_secret_value()
        self._signing_key = _field("app_private_key", certificates.read_private_key, secret)
        trio = (self.app_certificate, self.alipay_certificate, self.alipay_root_certificate)
        match (self.alipay_public_key, *trio):
            case (str(public_key), None, None, None):
                self._alipay_keys = (self._read_alipay_key(public_key),)
            case (None, str(app), str(alipay), str(root)):
                self._read_certificates(app, alipay, root, now)
            case _:
                raise PydanticCustomError(
                    "mode",
                    "set alipay_public_key alone (key mode), or all of app_certificate, "
                    "alipay_certificate and alipay_root_certificate (certificate mode)",
                )
        return self

    def identity(self) -> dict[str, str]:
        return {"app_id": self.app_id, "seller_id": self.seller_id}

    def certificates(self) -> tuple[Certificate, ...]:
        """The app's own, and that one of Alipay's which lasts longest."""
        ends = [known.not_after for known in self._alipay_keys if known.not_after]
        if not ends or self._own_ends_at is None:
            return ()
        return (
            Certificate(name="app_certificate", expires_at=self._own_ends_at),
            Certificate(name="alipay_certificate", expires_at=max(ends)),
        )

    @property
    def signing_key(self) -> RSAPrivateKey:
        return self._signing_key

    @property
    def certificate_fields(self) -> dict[str, str]:
        """The serials every request carries in certificate mode; empty in key mode."""
        return self._certificate_fields

    def keys_for_answer(self, serial: str, now: datetime) -> tuple[RSAPublicKey, ...]:
        """The keys an answer that names `serial` may be signed with: none if we do not know it."""
        in_key_mode = self.alipay_public_key is not None
        return tuple(
            known.key
            for known in self._alipay_keys
            if in_key_mode or (known.serial == serial and known.is_valid_at(now))
        )

    def keys_for_callback(self, now: datetime) -> tuple[RSAPublicKey, ...]:
        """The keys a callback, which names no certificate, may be signed with."""
        return tuple(known.key for known in self._alipay_keys if known.is_valid_at(now))

    def _read_alipay_key(self, text: str) -> AlipayKey:
        key = _field("alipay_public_key", certificates.read_public_key, text)
        if key.public_numbers() == self._signing_key.public_key().public_numbers():
            raise _refusal(
                "alipay_public_key", "is the app's own public key; Alipay shows its own beside it"
            )
        return AlipayKey(key=key)

    def _read_certificates(self, app: str, alipay: str, root: str, now: datetime | None) -> None:
        own = _field("app_certificate", certificates.read_certificates, app)[0]
        own_key = _field("app_certificate", certificates.rsa_key_of, own)
        if own_key.public_numbers() != self._signing_key.public_key().public_numbers():
            raise _refusal("app_certificate", "does not belong to app_private_key")
        _check_dates("app_certificate", own, now)
        self._own_ends_at = own.not_valid_after_utc
        roots = _field("alipay_root_certificate", certificates.read_certificates, root)
        bundle = _field("alipay_certificate", certificates.read_certificates, alipay)
        self._alipay_keys = _alipay_keys(bundle, roots, now)
        self._certificate_fields = {
            "app_cert_sn": certificates.serial_number(own),
            "alipay_root_cert_sn": certificates.root_serial_number(roots),
        }


def _alipay_keys(
    bundle: tuple[x509.Certificate, ...], roots: tuple[x509.Certificate, ...], now: datetime | None
) -> tuple[AlipayKey, ...]:
    name = "alipay_certificate"
    intermediates = [one for one in bundle if certificates.is_authority(one)]
    leaves = [one for one in bundle if not certificates.is_authority(one)]
    if not leaves:
        raise _refusal(name, "holds only issuers, no certificate of Alipay's own")
    for leaf in leaves:
        if not certificates.leads_to_a_root(
            leaf, intermediates=intermediates, roots=roots, moment=now
        ):
            raise _refusal(
                name,
                "is not issued, directly or over certificates in the same file, by one in "
                "alipay_root_certificate",
            )
    if now is not None and not any(certificates.is_valid_at(leaf, now) for leaf in leaves):
        _check_dates(name, leaves[0], now)
    return tuple(
        AlipayKey(
            key=_field(name, certificates.rsa_key_of, leaf),
            serial=certificates.serial_number(leaf),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
        )
        for leaf in leaves
    )


def _check_dates(name: str, certificate: x509.Certificate, now: datetime | None) -> None:
    if now is not None and not certificates.is_valid_at(certificate, now):
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        raise _refusal(name, f"is valid from {start:%Y-%m-%d} to {end:%Y-%m-%d} only")


def _field(name: str, read: Callable[[Given], Read], value: Given) -> Read:
    try:
        return read(value)
    except ValueError as error:
        raise _refusal(name, str(error)) from None


def _refusal(name: str, reason: str) -> PydanticCustomError:
    """An error of one field; `field` tells the registry which one to point at."""
    return PydanticCustomError("unusable", "{field} {reason}", {"field": name, "reason": reason})
