"""What a process of the DBOS side is told, as JSON in DBOS_BENCH."""

import base64

from pydantic import BaseModel


class Settings(BaseModel):
    """Addresses, keys and sizes; the same for all its processes but `executor_id`."""

    database_url: str
    executor_id: str
    port: int
    pool_size: int
    gateway_url: str
    notify_url: str
    webhook_url: str
    webhook_secret: str
    api_key_sha256: str
    app_id: str
    account_id: str
    channel_parameters: dict[str, str]

    @property
    def webhook_key(self) -> bytes:
        return base64.b64decode(self.webhook_secret.removeprefix("whsec_"))
