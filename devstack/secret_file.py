"""Secrets the stack makes for itself once: kept in one file that only its owner can read."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from models.ids import new_id

PAYLOAD_KEYS = "PAYCENTER_PAYLOAD_KEYS"
VAULT_KEYS = "PAYCENTER_VAULT_KEYS"
CODEC_TOKEN = "PAYCENTER_CODEC_TOKEN"  # noqa: S105 - the name of a variable
ADMIN_KEY = "PAYCENTER_ADMIN_KEY"

_KEY_BYTES = 32


def read_or_make_secrets(path: Path) -> dict[str, str]:
    """The secrets by their names in the environment; made, and kept for ever, on first use.

    Losing this file makes the data beside it unreadable, so nothing here overwrites it.
    """
    known = read_secrets(path)
    missing = {name: make() for name, make in _MAKERS.items() if name not in known}
    if missing:
        known |= missing
        _write(path, known)
    return known


def read_secrets(path: Path) -> dict[str, str]:
    """What is in the file; empty when there is none."""
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {name: value for name, _, value in pairs}


def _write(path: Path, values: dict[str, str]) -> None:
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    unfinished.rename(path)


def _aes_key(key_id: str) -> str:
    return f"{key_id}={base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


_MAKERS: dict[str, Callable[[], str]] = {
    PAYLOAD_KEYS: lambda: _aes_key("p1"),
    VAULT_KEYS: lambda: _aes_key("v1"),
    CODEC_TOKEN: lambda: secrets.token_urlsafe(32),
    ADMIN_KEY: lambda: f"{new_id('pk')}_{secrets.token_urlsafe(32)}",
}
