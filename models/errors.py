"""Everything we raise on purpose.

ProcessorError
├── InvalidRequest       the caller sent something we cannot take; fix it, then send again
├── NotFound             there is no such thing, or it is not yours
├── Conflict             it clashes with what is already there
├── Unauthorized         no key, a wrong key, or a key that may not do this
├── RateLimited          too many at once; `retry_after` says when
├── Unavailable          something we need is down; nothing was lost, try again
├── ChannelUnavailable   a channel is down or not reachable
├── ChannelMisconfigured a channel account's parameters cannot work
└── BadSignature         a message that does not prove where it comes from

InvariantBroken is a bug and no ProcessorError: nobody catches it.
"""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """What is wrong with one field: `pointer` is an RFC 6901 pointer such as `#/amount`."""

    model_config = ConfigDict(frozen=True)

    pointer: str
    code: str
    detail: str


class ProcessorError(Exception):
    """Base of all errors with a meaning. `code` is stable and documented."""

    code = "internal"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.problems = problems


class InvalidRequest(ProcessorError):
    code = "invalid-request"


class NotFound(ProcessorError):
    code = "not-found"


class Conflict(ProcessorError):
    code = "conflict"


class Unauthorized(ProcessorError):
    code = "unauthorized"


class RateLimited(ProcessorError):
    code = "rate-limited"

    def __init__(self, detail: str, *, retry_after: timedelta) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(ProcessorError):
    code = "unavailable"


class ChannelUnavailable(ProcessorError):
    code = "channel-unavailable"


class ChannelMisconfigured(ProcessorError):
    code = "channel-misconfigured"


class BadSignature(ProcessorError):
    code = "bad-signature"


class InvariantBroken(Exception):
    """A bug. It suspends the workflow, or keeps the activity retrying, until it is mended."""
