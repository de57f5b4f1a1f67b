"""DBOS lives in an environment of its own, `.venvs/dbos`, beside the versions of ours it shares.

python -m bench.dbos_side.environment       makes it, if it is not there
"""

import sys
from importlib.metadata import version
from pathlib import Path

from tests.cross_check.environments import Environment, EnvironmentMissing

_VERSION = "3.4.0"  # the newest on 2026-11-21
# What our adapter, our webhook sender and our front door need: the very versions we run.
_SHARED = (
    "aiohttp",
    "cryptography",
    "fastapi",
    "httptools",
    "iso4217",
    "psycopg-binary",
    "psycopg-pool",
    "pydantic",
    "python-ulid",
    "temporalio",  # named by the webhook sender's imports; unused there
    "uvicorn",
    "uvloop",
)

DBOS = Environment(
    "dbos",
    (f"dbos=={_VERSION}", *(f"{name}=={version(name)}" for name in _SHARED)),
    Path(__file__).with_name("app.py"),
)


def main() -> int:
    try:
        DBOS.make()
    except EnvironmentMissing as missing:
        sys.stdout.write(f"{missing}\n")
        return 1
    sys.stdout.write("DBOS is in .venvs/dbos\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
