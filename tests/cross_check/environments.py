"""Environments of the providers' own SDKs, each alone: two of them own the name `alipay`.

`python tests/cross_check/environments.py` makes what is missing under `.venvs/` and says so.
"""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent
_DRIVERS = Path(__file__).parent / "drivers"
_INSTALL_SECONDS = 300


class EnvironmentMissing(Exception):
    """It is not there and cannot be made here; the text says why."""


@dataclass(frozen=True)
class Environment:
    """One SDK at one version, and the script that drives it."""

    name: str
    packages: tuple[str, ...]
    driver: Path

    @property
    def folder(self) -> Path:
        return _ROOT / ".venvs" / self.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def is_ready(self) -> bool:
        """A marker with the packages it was made with: a half-made one does not count."""
        marker = self.folder / "made-with.txt"
        return marker.exists() and marker.read_text() == "\n".join(self.packages)

    def make(self) -> None:
        """Make it, if it is not there. Raises EnvironmentMissing."""
        with self._alone():
            self._make()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While another process makes the same one, wait for it."""
        self.folder.parent.mkdir(exist_ok=True)
        with (self.folder.parent / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make(self) -> None:
        if self.is_ready:
            return
        self._run(sys.executable, "-m", "venv", "--clear", str(self.folder))
        self._run(str(self.python), "-m", "pip", "install", "--quiet", *self.packages)
        (self.folder / "made-with.txt").write_text("\n".join(self.packages))

    def _run(self, *command: str) -> None:
        try:
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise EnvironmentMissing(f"{self.name}: pip did not finish") from None
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise EnvironmentMissing(f"{self.name} cannot be installed: {last}") from None


OFFICIAL = Environment(
    "alipay-sdk-python", ("alipay-sdk-python==3.7.1411",), _DRIVERS / "official_sdk.py"
)
COMMUNITY = Environment(
    "python-alipay-sdk", ("python-alipay-sdk==3.4.0",), _DRIVERS / "community_sdk.py"
)
STRIPE = Environment("stripe", ("stripe==16.1.0", "jsonschema==4.26.0"), _DRIVERS / "stripe_sdk.py")


def main() -> int:
    for environment in (OFFICIAL, COMMUNITY, STRIPE):
        known = environment.is_ready
        sys.stdout.write(f"{environment.name}: {'ready' if known else 'installing …'}\n")
        sys.stdout.flush()
        try:
            environment.make()
        except EnvironmentMissing as missing:
            sys.stdout.write(f"{missing}\n")
            return 1
        if not known:
            sys.stdout.write(f"{environment.name}: installed in .venvs/{environment.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
