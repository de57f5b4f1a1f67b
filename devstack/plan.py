"""What the stack consists of: folders, ports, environment and the command of each part."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devstack.children import Program, answers
from devstack.secret_file import CODEC_TOKEN, PAYLOAD_KEYS, VAULT_KEYS
from sandbox.providers import interface_paths

HOST = "127.0.0.1"
NAMESPACE = "default"
PROJECT = Path(__file__).resolve().parent.parent
_PREFIX = "PAYCENTER_"


@dataclass(frozen=True)
class External:
    """Servers of somebody else to use instead of the embedded ones; empty means embedded.

    `owner_database_url` may change tables (migrations); it defaults to `database_url`.
    """

    database_url: str = field(default="", repr=False)
    owner_database_url: str = field(default="", repr=False)
    temporal_address: str = ""
    temporal_ui_url: str = ""


@dataclass(frozen=True)
class StackPlan:
    """Everything that is fixed once ports and secrets are known."""

    data_directory: Path
    ports: Mapping[str, int]
    secrets: Mapping[str, str] = field(repr=False)
    overrides: Mapping[str, str] = field(repr=False)
    external: External

    def log_file(self, name: str) -> Path:
        return self.data_directory / "logs" / f"{name}.log"

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self.ports[name]}"

    @property
    def temporal_address(self) -> str:
        return self.external.temporal_address or f"{HOST}:{self.ports['temporal']}"

    @property
    def temporal_ui_url(self) -> str:
        if self.external.temporal_address:
            return self.external.temporal_ui_url
        return self.url("temporal_ui")

    @property
    def codec_endpoint(self) -> str:
        """Temporal UI sends no token over plain http, so the token is part of the address."""
        token = self.overrides.get(CODEC_TOKEN) or self.secrets[CODEC_TOKEN]
        return f"{self.url('api')}/codec/{token}"

    def sandbox(self) -> Program:
        folder = str(self.data_directory / "sandbox")
        where = ("--host", HOST, "--port", str(self.ports["sandbox"]), "--data", folder)
        return Program(
            name="sandbox",
            command=(sys.executable, "-m", "sandbox", *where),
            environment=self._python_environment(),
            log_file=self.log_file("sandbox"),
            is_ready=lambda: answers(f"{self.url('sandbox')}/healthz"),
            working_directory=self.data_directory,
        )

    def api(self, database_url: str) -> Program:
        return Program(
            name="api",
            command=(sys.executable, "-m", "cli", "api"),
            environment=self.application_environment(database_url),
            log_file=self.log_file("api"),
            is_ready=lambda: answers(f"{self.url('api')}/readyz"),
            working_directory=self.data_directory,
        )

    def worker(self, number: int, database_url: str) -> Program:
        name = f"worker-{number}"
        port = {f"{_PREFIX}METRICS_PORT": str(self.ports[name])}
        return Program(
            name=name,
            command=(sys.executable, "-m", "worker"),
            environment=self.application_environment(database_url) | port,
            log_file=self.log_file(name),
            is_ready=lambda: answers(f"{self.url(name)}/metrics"),
            working_directory=self.data_directory,
            stop_timeout=30.0,  # longer than the longest channel call it may be in
        )

    def application_environment(self, database_url: str) -> dict[str, str]:
        """The environment of API and workers: the names of settings.py."""
        ours = {
            f"{_PREFIX}DATABASE_URL": database_url,
            f"{_PREFIX}TEMPORAL_ADDRESS": self.temporal_address,
            f"{_PREFIX}TEMPORAL_NAMESPACE": NAMESPACE,
            f"{_PREFIX}TEMPORAL_UI_URL": self.temporal_ui_url,
            f"{_PREFIX}API_HOST": HOST,
            f"{_PREFIX}API_PORT": str(self.ports["api"]),
            f"{_PREFIX}PUBLIC_URL": self.url("api"),
            f"{_PREFIX}CHANNEL_URLS": self._sandbox_urls(),
            f"{_PREFIX}ALLOW_PRIVATE_WEBHOOKS": "true",
            f"{_PREFIX}STATEMENT_DIR": str(self.data_directory / "statements"),
        }
        keys = {name: self.secrets[name] for name in (PAYLOAD_KEYS, VAULT_KEYS, CODEC_TOKEN)}
        return self._python_environment() | keys | ours | dict(self.overrides)

    def _sandbox_urls(self) -> str:
        """Every channel is the sandbox's."""
        paths = interface_paths()
        return ",".join(f"{name}={self.url('sandbox')}{path}" for name, path in paths.items())

    def _python_environment(self) -> dict[str, str]:
        """Ours without what a developer's shell may say about another stack."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_PREFIX)}
        return inherited | {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
