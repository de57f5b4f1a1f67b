"""API keys: `pk_<key id>_<secret>`, of which we keep the SHA-256 of the secret alone."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from ulid import ULID

from models.errors import Unauthorized
from models.merchant import Caller, Role
from storage.keys import find_caller

_SECRET_BYTES = 32  # 43 characters of base64url: 256 bits
_HEADER = re.compile(r"[Bb]earer +pk_([0-9A-HJKMNP-TV-Z]{26})_([0-9A-Za-z_-]{43})")
# Compared against when there is no such key, so that this takes as long as a wrong secret.
_NOBODY = hashlib.sha256(b"no key has this secret").digest()


@dataclass(frozen=True)
class Credentials:
    """A well-formed key as it came in the Authorization header."""

    key_id: str
    secret_hash: bytes = field(repr=False)


@dataclass(frozen=True)
class MintedKey:
    """A new key. `text` is for its owner and is never seen again; `secret_hash` is stored."""

    key_id: str
    text: str = field(repr=False)
    secret_hash: bytes = field(repr=False)


def mint_key() -> MintedKey:
    """A fresh API key. Store it with `storage.keys.create_key`."""
    key_id, secret = str(ULID()), secrets.token_urlsafe(_SECRET_BYTES)
    return MintedKey(key_id, f"pk_{key_id}_{secret}", _hash(secret))


def credentials_of(header: str) -> Credentials:
    """The key in an Authorization header. Raises Unauthorized."""
    match = _HEADER.fullmatch(header)
    if match is None:
        raise _unauthorized()
    return Credentials(match[1], _hash(match[2]))


async def authenticate(
    connection: AsyncConnection, credentials: Credentials, roles: tuple[Role, ...]
) -> Caller:
    """Who is calling. Unknown, wrong and disabled keys are told apart by nobody outside."""
    stored = await find_caller(connection, key_id=credentials.key_id)
    expected = stored.secret_hash if stored else _NOBODY
    proven = hmac.compare_digest(expected, credentials.secret_hash)
    if stored is None or not proven or stored.disabled:
        raise _unauthorized()
    return admit(stored.caller, roles)


def admit(caller: Caller, roles: tuple[Role, ...]) -> Caller:
    """`caller`, who is proven already. Raises Unauthorized for a role that may not do this."""
    structlog.contextvars.bind_contextvars(key_id=caller.key_id, app_id=caller.app_id)
    if caller.role not in roles:
        raise Unauthorized(f"this needs the role {' or '.join(roles)}", code="forbidden")
    return caller


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _unauthorized() -> Unauthorized:
    return Unauthorized("send a valid key as `Authorization: Bearer pk_…`")
