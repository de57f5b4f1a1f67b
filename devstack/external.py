"""What a Temporal server of somebody else has to be told before we use it."""

import subprocess
import sys
from collections.abc import Mapping

from devstack.children import StartFailed

_TIMEOUT_SECONDS = 60


def register_search_attributes(environment: Mapping[str, str]) -> None:
    """Register ours, in a process of its own: the Temporal client leaves threads behind.

    Raises StartFailed with what the server said.
    """
    done = subprocess.run(
        [sys.executable, "-m", "cli", "migrate", "--no-database"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
    )
    if done.returncode:
        raise StartFailed(f"search attributes could not be registered:\n{done.stderr}")
