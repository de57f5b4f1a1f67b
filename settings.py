"""Every setting, read from the environment (or `.env`) in one place and checked at start.

Only `api.app`, `worker.py`, `cli.py` and `devstack/` read this; everything else is handed values.
"""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_KEY_BYTES = 32  # AES-256


# A payment that is silent is asked about at most once a second, and at least once a day.
_Silence = Annotated[float, Field(ge=1, le=86_400)]

WorkerRole = Literal["payments", "channels", "notifications", "reconciliation", "sweeper"]


class Settings(BaseSettings):
    """Settings of one process. Names are those of the environment, with the prefix PAYCENTER_."""

    model_config = SettingsConfigDict(
        env_prefix="PAYCENTER_", env_file=".env", extra="ignore", frozen=True
    )

    # -- where our neighbours are
    database_url: SecretStr = Field(description="postgresql://user:password@host:port/database")
    owner_database_url: SecretStr | None = Field(
        default=None, description="for `paycenter migrate` alone: a role that may change tables"
    )
    temporal_address: str = Field(default="127.0.0.1:7233", description="host:port")
    temporal_namespace: str = "default"
    temporal_tls: bool = False
    temporal_tls_ca_file: str | None = None
    temporal_tls_cert_file: str | None = None
    temporal_tls_key_file: str | None = None
    temporal_api_key: SecretStr | None = None
    temporal_ui_url: str = Field(default="", description="for links in answers and tables")

    # -- keys: "id=base64,id=base64", the first one is used for new data, all can still read
    payload_keys: Annotated[dict[str, SecretStr], NoDecode] = Field(
        description="AES-256 keys for what Temporal stores, as id=base64[,id=base64…]"
    )
    vault_keys: Annotated[dict[str, SecretStr], NoDecode] = Field(
        description="AES-256 keys that wrap channel secrets, as id=base64[,id=base64…]"
    )

    # -- the front door
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=0, le=65535)
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        description="where channels reach our callbacks and payers our cash desk",
    )
    initiation_timeout: timedelta = Field(
        default=timedelta(seconds=8), description="how long POST /v1/payments waits before 202"
    )
    payment_expiry: timedelta = Field(
        default=timedelta(minutes=15), description="used when an order names no expiry"
    )
    codec_token: SecretStr | None = Field(
        default=None, description="opens the codec endpoint for Temporal UI; unset means closed"
    )

    # -- the console
    session_idle: timedelta = Field(
        default=timedelta(minutes=30), description="a login ends after so long without a click"
    )
    session_lifetime: timedelta = Field(
        default=timedelta(hours=12), description="and after so long in any case"
    )

    # -- channels
    channel_urls: Annotated[dict[str, str], NoDecode] = Field(
        default={},
        description="channels that are not at their public addresses, as name=url[,name=url…]",
    )
    channel_connect_timeout: timedelta = timedelta(seconds=3)
    channel_read_timeout: timedelta = timedelta(seconds=10)
    channel_clock_margin: timedelta = Field(
        default=timedelta(seconds=60), description="how far a channel's clock may be from ours"
    )
    # How long silence lasts before the channel is asked, step by step; the last step repeats.
    query_after: Annotated[tuple[_Silence, ...], NoDecode] = Field(
        default=(30, 60, 120, 300), description="seconds of silence before each query: 30,60,120"
    )
    find_out_at_till: timedelta = Field(
        default=timedelta(seconds=60),
        description="how long an unknown payment at a till is queried before it is cancelled",
    )

    # -- notifications
    allow_private_webhooks: bool = Field(
        default=False, description="development only: lets webhooks go to private addresses"
    )

    # -- reconciliation
    statement_dir: Path = Field(
        default=Path(".data/statements"),
        description="where channels' statements are kept; API and workers share it",
    )
    check_every: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(seconds=10),
        description="how often open payments and recent successes are compared with their channels",
    )

    # -- this process
    checkpoints_dir: Path | None = Field(
        default=None, description="tests of crashes only: where checkpoints are watched"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_json: bool = True
    metrics_host: str = Field(default="127.0.0.1", description="where metrics may be read from")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="worker metrics; 0 is off")
    temporal_metrics_port: int = Field(
        default=0, ge=0, le=65535, description="the Temporal SDK's own metrics; 0 is off"
    )
    database_pool_size: int = Field(default=20, ge=2, le=200)
    worker_roles: Annotated[tuple[WorkerRole, ...], NoDecode] = (
        "payments",
        "channels",
        "notifications",
        "reconciliation",
        "sweeper",
    )
    workflow_sandbox: bool = Field(
        default=False, description="run workflow code in Temporal's sandbox, as the tests do"
    )
    worker_deployment: str = "paycenter"
    worker_build_id: str = Field(
        default="", description="set it to pin payments to this version of the worker"
    )

    @field_validator("payload_keys", "vault_keys", mode="before")
    @classmethod
    def _read_keys(cls, value: object) -> object:
        return _keys(value) if isinstance(value, str) else value

    @field_validator("channel_urls", mode="before")
    @classmethod
    def _read_urls(cls, value: object) -> object:
        return _urls(value) if isinstance(value, str) else value

    @field_validator("query_after", mode="before")
    @classmethod
    def _read_seconds(cls, value: object) -> object:
        return tuple(float(part) for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("worker_roles", mode="before")
    @classmethod
    def _read_names(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    def key_bytes(self, which: Literal["payload_keys", "vault_keys"]) -> dict[str, bytes]:
        """Key ids and raw keys; the first is the active one."""
        keys: dict[str, SecretStr] = getattr(self, which)
        return {key_id: base64.b64decode(key.get_secret_value()) for key_id, key in keys.items()}


class SettingsError(Exception):
    """The environment is not usable; the message says, line by line, what to set."""


def load_settings() -> Settings:
    """Read and check all settings. Raises SettingsError with one line per thing to mend."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [_advice(str(e["loc"][0]), e["msg"], e["type"]) for e in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def _advice(name: str, message: str, kind: str) -> str:
    described = Settings.model_fields[name].description or ""
    hint = f" ({described})" if described else ""
    if kind == "missing":
        return f"PAYCENTER_{name.upper()} is not set{hint}"
    return f"PAYCENTER_{name.upper()}: {message}{hint}"


def _keys(text: str) -> dict[str, SecretStr]:
    keys: dict[str, SecretStr] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key_id, separator, encoded = part.partition("=")
        if not separator or not key_id.isalnum():
            raise ValueError("write each key as id=base64, the id in letters and digits")
        if len(base64.b64decode(encoded, validate=True)) != _KEY_BYTES:
            raise ValueError(f"key {key_id} is not {_KEY_BYTES} bytes of base64")
        keys[key_id] = SecretStr(encoded)
    if not keys:
        raise ValueError("at least one key is needed")
    return keys


def _urls(text: str) -> dict[str, str]:
    urls: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, separator, url = part.partition("=")
        if not separator or not name or not url.startswith(("https://", "http://")):
            raise ValueError("write each address as name=url, the url with https://")
        urls[name] = url
    return urls
