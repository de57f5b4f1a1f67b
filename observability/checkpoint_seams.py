"""Checkpoints around every activity, and around every call to Temporal that changes something."""

from typing import Any

from temporalio.client import (
    Interceptor as ClientInterceptor,
)
from temporalio.client import (
    OutboundInterceptor,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from observability.checkpoints import is_installed, reached


class ActivityCheckpoints(Interceptor):
    """`before` and `after` each activity; what it did is not reported yet at `after`."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002  # the SDK's own parameter name
        return _Around(next)


class _Around(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  # as above
        await reached("before")
        result = await super().execute_activity(input)
        await reached("after")
        return result


class TemporalCallCheckpoints(ClientInterceptor):
    """`before` and `after` what our processes ask of Temporal."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  # the SDK's own parameter name
        return _AroundCalls(next)


class _AroundCalls(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002  # as above
        await reached("before start", input.workflow)
        handle = await super().start_workflow(input)
        await reached("after start", input.workflow)
        return handle

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002  # as above
        await reached("before signal", input.signal)
        await super().signal_workflow(input)
        await reached("after signal", input.signal)

    async def start_workflow_update(
        self,
        input: StartWorkflowUpdateInput,  # noqa: A002  # as above
    ) -> WorkflowUpdateHandle[Any]:
        await reached("before update", input.update)
        handle = await super().start_workflow_update(input)
        await reached("after update", input.update)
        return handle

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002  # as above
    ) -> WorkflowUpdateHandle[Any]:
        update = input.update_workflow_input.update
        await reached("before update", update)
        handle = await super().start_update_with_start_workflow(input)
        await reached("after update", update)
        return handle


def activity_interceptors() -> list[Interceptor]:
    """What a worker adds to its own; nothing unless a test is watching."""
    return [ActivityCheckpoints()] if is_installed() else []


def client_interceptors() -> list[ClientInterceptor]:
    """What a client adds to its own; nothing unless a test is watching."""
    return [TemporalCallCheckpoints()] if is_installed() else []
