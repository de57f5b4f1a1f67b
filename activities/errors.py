"""Our errors become Temporal's, here only: which type, and whether trying again can help."""

from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from models.errors import (
    ChannelUnavailable,
    ProcessorError,
    RateLimited,
    Unavailable,
)

_WORTH_ANOTHER_TRY = (ChannelUnavailable, Unavailable, RateLimited)


class ActivityErrors(Interceptor):
    """Translates what activities raise, and puts the business id on every line they log."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002  # the SDK's own parameter name
        return _Translate(next)


class _Translate(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  # as above
        info = activity.info()
        with structlog.contextvars.bound_contextvars(
            business_id=_business_id(info.workflow_id or ""),
            activity=info.activity_type,
            attempt=info.attempt,
        ):
            try:
                return await super().execute_activity(input)
            except ProcessorError as error:
                raise _to_temporal(error) from error


def _business_id(workflow_id: str) -> str:
    """`pay_…` of `pay/pay_…` and of `late/pay_…/cb_…`: a run is named after what it works on."""
    _, _, name = workflow_id.partition("/")
    return name.partition("/")[0]


def _to_temporal(error: ProcessorError) -> ApplicationError:
    worth_another_try = isinstance(error, _WORTH_ANOTHER_TRY)
    delay: timedelta | None = error.retry_after if isinstance(error, RateLimited) else None
    return ApplicationError(
        error.detail,
        type=error.code,
        non_retryable=not worth_another_try,
        next_retry_delay=delay,
        category=ApplicationErrorCategory.BENIGN
        if worth_another_try
        else ApplicationErrorCategory.UNSPECIFIED,
    )
