"""Passwords of people: Argon2id, computed beside the event loop."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_MIN, PASSWORD_MAX = 12, 200
_ONE_TIME_BYTES = 15  # 20 characters


class Passwords:
    """`hasher` has the library's own parameters (RFC 9106, low memory); tests use cheap ones."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self.hasher = hasher or PasswordHasher()
        # Compared with when there is no such person, so that this takes as long.
        self._nobody = self.hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        return await asyncio.to_thread(self.hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one. Without a stored one it takes as long, and it is not."""
        fits = await asyncio.to_thread(self._verify, stored or self._nobody, password)
        return fits and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self.hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self.hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def one_time_password() -> str:
    """For a person's first login alone."""
    return secrets.token_urlsafe(_ONE_TIME_BYTES)
