"""The providers beside Alipay, each found by its file.

A provider is `sandbox/<name>.py`, or `sandbox/<name>/provider.py`, that says `PROVIDER` (its name),
`INTERFACE_PATH` (where its interface is) and has `build_provider(around: Surroundings)`. Alipay,
whose trades the books themselves are made of, is built by the house.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Protocol

from fastapi import APIRouter
from jinja2 import Environment
from starlette.routing import BaseRoute

import sandbox
from sandbox.books import Books
from sandbox.dispatcher import News, Wording
from sandbox.faults import FaultQueue
from sandbox.sides import Side
from sandbox.tills import Payable, Till

_RUNS_THE_SANDBOX = "__main__"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a provider shares with the rest of the sandbox.

    `announce` queues news; `deliver` sends what is queued about a trade and returns when it is out.
    `consider` shows what was just submitted to the standing payer. `progress` is called when
    something that was waited for has ended.
    """

    books: Books
    now: Callable[[], datetime]
    public_url: str
    time_scale: Callable[[], float]
    faults: FaultQueue
    templates: Environment
    announce: Callable[[News], None]
    deliver: Callable[[Payable], Awaitable[object]]
    consider: Callable[[Till, Payable], None]
    progress: Callable[[], None]


class Provider(Protocol):
    """One simulated provider, put together."""

    side: Side

    def routes(self) -> list[BaseRoute]:
        """Its interface, and its payers' pages."""

    def control(self) -> APIRouter:
        """What only it has, for the control API."""

    def wording(self) -> Wording: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def is_idle(self, within: timedelta) -> bool:
        """Whether nothing ends by itself `within` the time."""

    def request_counts(self) -> dict[str, int]: ...

    def totals(self) -> dict[str, Any]: ...


def build_providers(around: Surroundings) -> tuple[Provider, ...]:
    builders = [getattr(module, "build_provider", None) for module in _modules()]
    return tuple(build(around) for build in builders if build is not None)


def interface_paths() -> dict[str, str]:
    """Where in the sandbox each provider's interface is, by its name."""
    return {module.PROVIDER: module.INTERFACE_PATH for module in _modules()}


def _modules() -> Iterator[ModuleType]:
    for found in iter_modules(sandbox.__path__):
        if found.name == _RUNS_THE_SANDBOX:
            continue
        where = f"sandbox.{found.name}" + (".provider" if found.ispkg else "")
        module = import_module(where)
        if hasattr(module, "INTERFACE_PATH"):
            yield module
