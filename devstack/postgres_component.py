"""Embedded PostgreSQL as a component of the stack."""

import threading
from pathlib import Path

from devstack.postgres import EmbeddedPostgres


class PostgresComponent:
    """Fits `EmbeddedPostgres`, which looks after its own process, to what the supervisor wants."""

    name = "postgres"

    def __init__(self, data_directory: Path, port: int) -> None:
        self.server = EmbeddedPostgres(data_directory, port)

    @property
    def log_file(self) -> Path:
        return self.server.log_file

    @property
    def is_running(self) -> bool:
        return self.server.is_running

    @property
    def pid(self) -> int | None:
        process = self.server.process
        return process.pid if process else None

    def spawn(self) -> None:
        """Start, clean up after a killed life, and wait: PostgreSQL is ready when this returns."""
        self.server.start()

    def wait_ready(self, interrupted: threading.Event) -> None:
        """Nothing left to wait for after `spawn`."""

    def stop(self, hurry: threading.Event) -> None:
        if hurry.is_set():
            self.server.kill()
        self.server.stop()

    def kill(self) -> None:
        self.server.kill()
