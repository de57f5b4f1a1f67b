"""What workflow code runs in.

Tests and replays use the sandbox, which stops a workflow from reading the clock or the network.
Workers do without it: it costs a quarter of their CPU (docs/decisions/005).
"""

from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

# Packages of ours that workflow code may import as they are: loading them anew for each run costs
# eight times the CPU.
_OURS = (
    "activities",
    "channels",
    "domain",
    "engine",
    "models",
    "observability",
    "storage",
    "workflows",
)
_THEIRS = (
    "aiohttp",
    "cryptography",
    "iso4217",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "pydantic_core",
    "sqlalchemy",
    "structlog",
    "ulid",
    "yarl",
)


def workflow_runner(*, sandboxed: bool) -> WorkflowRunner:
    """The runner for workers; `sandboxed` is a setting."""
    return sandbox_runner() if sandboxed else UnsandboxedWorkflowRunner()


def sandbox_runner() -> SandboxedWorkflowRunner:
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*_OURS, *_THEIRS)
    )
