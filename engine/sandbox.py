"""The sandbox workflow code runs in: it stops a workflow from reading the clock or the network."""

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
    "cryptography",
    "httpcore",
    "httpx",
    "iso4217",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "pydantic_core",
    "sqlalchemy",
    "structlog",
    "ulid",
)


def sandbox_runner() -> SandboxedWorkflowRunner:
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*_OURS, *_THEIRS)
    )
