"""Stripe accounts: their keys, their one webhook endpoint and its secrets, what they pay."""

import secrets

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, TypeAdapter

from sandbox.books import Books
from sandbox.stripe.words import API_VERSION, KNOWN_EVENTS, random_text

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stripe_account (
    id TEXT PRIMARY KEY, secret_key TEXT NOT NULL UNIQUE, body TEXT NOT NULL
) STRICT;
"""
_ID_LENGTH = 16
_KEY_LENGTH = 48
_SECRET_LENGTH = 32
_SECRETS_MAX = 10  # an endpoint that rolls its secret has two
_URL = TypeAdapter(HttpUrl)


class Account(BaseModel):
    """`webhook_secrets`: newest first, each signs every webhook."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    secret_key: str
    publishable_key: str
    webhook_secrets: tuple[str, ...]
    webhook_url: str | None = None
    enabled_events: tuple[str, ...] | None = None
    fee_bps: int = 290
    fee_fixed_minor: int = 30

    def hears(self, event_type: str) -> bool:
        enabled = self.enabled_events is None or event_type in self.enabled_events
        return self.webhook_url is not None and enabled


class AccountWanted(BaseModel):
    """An account as it is asked for. For a known `account_id` only what is given is replaced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_id: str | None = Field(default=None, pattern=r"^acct_[0-9A-Za-z]{1,60}$")
    name: str = Field(default="沙箱商户 Sandbox merchant", min_length=1, max_length=100)
    secret_key: str | None = Field(default=None, pattern=r"^sk_test_[0-9A-Za-z_]{8,200}$")
    webhook_url: str | None = Field(default=None, max_length=2000)
    enabled_events: tuple[str, ...] | None = None
    fee_bps: int = Field(default=290, ge=0, le=10_000)
    fee_fixed_minor: int = Field(default=30, ge=0, le=1_000_000)


class AccountShown(BaseModel):
    """All that a merchant needs to know; these are test secrets and open nothing else."""

    account_id: str
    name: str
    secret_key: str
    publishable_key: str
    webhook_secret: str
    webhook_secrets: tuple[str, ...]
    webhook_url: str | None
    enabled_events: tuple[str, ...] | None
    api_version: str
    base_url: str
    fee_bps: int
    fee_fixed_minor: int


class Accounts:
    """The registered accounts, read into memory once and written through."""

    def __init__(self, books: Books) -> None:
        self._connection = books.connection
        self._connection.executescript(_SCHEMA)
        rows = self._connection.execute("SELECT body FROM stripe_account ORDER BY id")
        found = [Account.model_validate_json(row["body"]) for row in rows]
        self._by_id = {account.id: account for account in found}
        self._by_key = {account.secret_key: account for account in found}

    def find(self, account_id: str) -> Account | None:
        return self._by_id.get(account_id)

    def by_key(self, secret_key: str) -> Account | None:
        return self._by_key.get(secret_key)

    def all(self) -> tuple[Account, ...]:
        return tuple(self._by_id.values())

    def register(self, wanted: AccountWanted) -> Account:
        """Add an account or change one. Raises ValueError with what is wrong."""
        if wanted.webhook_url is not None:
            _URL.validate_python(wanted.webhook_url)
        unknown = set(wanted.enabled_events or ()) - set(KNOWN_EVENTS)
        if unknown:
            raise ValueError(f"no such events here: {', '.join(sorted(unknown))}")
        given = wanted.model_dump(exclude_unset=True, exclude={"account_id"})
        known = self._by_id.get(wanted.account_id or "")
        base = known or _new_account(wanted.account_id, wanted.name)
        if given.get("secret_key", "") is None:
            del given["secret_key"]
        return self._save(Account.model_validate(base.model_dump() | given))

    def add_secret(self, account: Account) -> Account:
        """One webhook secret more. Raises ValueError when there are too many."""
        if len(account.webhook_secrets) >= _SECRETS_MAX:
            raise ValueError(f"an account has at most {_SECRETS_MAX} webhook secrets")
        both = (_new_secret(), *account.webhook_secrets)
        return self._save(account.model_copy(update={"webhook_secrets": both}))

    def keep_newest_secret(self, account: Account) -> Account:
        newest = account.webhook_secrets[:1]
        return self._save(account.model_copy(update={"webhook_secrets": newest}))

    def _save(self, account: Account) -> Account:
        owner = self._by_key.get(account.secret_key)
        if owner is not None and owner.id != account.id:
            raise ValueError("another account has this secret key")
        self._connection.execute(
            "INSERT OR REPLACE INTO stripe_account VALUES (?, ?, ?)",
            (account.id, account.secret_key, account.model_dump_json()),
        )
        before = self._by_id.get(account.id)
        if before is not None:
            del self._by_key[before.secret_key]
        self._by_id[account.id] = account
        self._by_key[account.secret_key] = account
        return account


def show_account(account: Account, base_url: str) -> AccountShown:
    return AccountShown(
        **account.model_dump(exclude={"id"}),
        account_id=account.id,
        webhook_secret=account.webhook_secrets[0],
        api_version=API_VERSION,
        base_url=base_url,
    )


def _new_account(account_id: str | None, name: str) -> Account:
    return Account(
        id=account_id or f"acct_{random_text(_ID_LENGTH)}",
        name=name,
        secret_key=f"sk_test_{random_text(_KEY_LENGTH)}",
        publishable_key=f"pk_test_{random_text(_KEY_LENGTH)}",
        webhook_secrets=(_new_secret(),),
    )


def _new_secret() -> str:
    return f"whsec_{secrets.token_hex(_SECRET_LENGTH // 2)}"
