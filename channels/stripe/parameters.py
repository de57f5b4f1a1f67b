"""What a Stripe account needs, checked when it is entered and parsed once."""

import re
from typing import Annotated, Self

from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from channels.base import ChannelParameters

# Keys are about 110 characters, a restricted one a little more.
_KEY_MAX = 255
# Two while a secret is rolled, one more for a second endpoint; the bound is on the work per call.
_WEBHOOK_SECRETS_MAX = 8
_WEBHOOK_SECRETS_LENGTH_MAX = 1_024

_SECRET_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]+")
_WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{6,}")
_BETWEEN = re.compile(r"[\s,]+")


class StripeParameters(ChannelParameters):
    """One Stripe account, in test mode or live, which all its keys must agree on."""

    model_config = ConfigDict(hide_input_in_errors=True, str_strip_whitespace=True)

    secret_key: Annotated[
        SecretStr,
        Field(
            min_length=1,
            max_length=_KEY_MAX,
            description="sk_… or, better, a restricted rk_… that may write payment intents and "
            "refunds, and read both and balance transactions",
        ),
    ]
    publishable_key: Annotated[
        str,
        Field(
            pattern=r"^pk_(test|live)_[A-Za-z0-9_]+$",
            max_length=_KEY_MAX,
            description="pk_…: what the app's page gives to Stripe's card form",
        ),
    ]
    webhook_secrets: Annotated[
        SecretStr,
        Field(
            max_length=_WEBHOOK_SECRETS_LENGTH_MAX,
            description="whsec_… of the webhook endpoint; while it is rolled the old and the new "
            "one, with a space or comma between. Without one no webhook is taken",
        ),
    ] = SecretStr("")

    _webhook_keys: tuple[bytes, ...] = PrivateAttr(default=())

    @field_validator("secret_key")
    @classmethod
    def _is_secret_key(cls, key: SecretStr) -> SecretStr:
        if not _SECRET_KEY.fullmatch(key.get_secret_value()):
            raise _of_this_field("this is no secret key: those begin with sk_ or rk_")
        return key

    @field_validator("webhook_secrets")
    @classmethod
    def _are_webhook_secrets(cls, secrets: SecretStr) -> SecretStr:
        found = _parts_of(secrets)
        if not all(_WEBHOOK_SECRET.fullmatch(one) for one in found):
            raise _of_this_field("write whsec_…, several with a space between")
        if len(found) > _WEBHOOK_SECRETS_MAX:
            raise _of_this_field(f"{_WEBHOOK_SECRETS_MAX} secrets are the most")
        return secrets

    @model_validator(mode="after")
    def _parse(self) -> Self:
        if self.publishable_key.startswith("pk_live_") != self.is_live:
            raise _refusal("publishable_key", "and secret_key are of different modes, test or live")
        self._webhook_keys = tuple(one.encode() for one in _parts_of(self.webhook_secrets))
        return self

    def identity(self) -> dict[str, str]:
        """Keys do not say whose they are, but test and live are never the same account."""
        return {"secret_key": "live" if self.is_live else "test"}

    @property
    def is_live(self) -> bool:
        """Whether real money moves."""
        return self.secret_key.get_secret_value()[3:].startswith("live_")

    @property
    def webhook_keys(self) -> tuple[bytes, ...]:
        """The secrets a webhook may be signed with; none means that none is taken."""
        return self._webhook_keys


def _parts_of(secrets: SecretStr) -> tuple[str, ...]:
    return tuple(filter(None, _BETWEEN.split(secrets.get_secret_value())))


def _of_this_field(reason: str) -> PydanticCustomError:
    return PydanticCustomError("unusable", "{reason}", {"reason": reason})


def _refusal(name: str, reason: str) -> PydanticCustomError:
    """An error of the whole; `field` tells the registry which one to point at."""
    return PydanticCustomError("unusable", "{field} {reason}", {"field": name, "reason": reason})
