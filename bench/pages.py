"""`python -m bench.pages`: every page of console, cash desk and API, with a million payments.

The same business twice, with a few thousand payments and with a million over ninety days, each in
a PostgreSQL of its own behind an API process of its own. Each page is asked for in turn of both,
by somebody who logged in through the form, and the time until its first byte is compared. Which
pages there are is read from the routes, so a new one is measured without being named here.

`--payments 50000 --requests 5` for a quick look. A million need 8 GB of disk while they are filled
in; with `--keep FOLDER` the databases stay there, and the next run with it begins at once.
"""

import argparse
import json
import re
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles

import httpx
from rich.console import Console
from rich.table import Table

from bench.pages_database import seed
from bench.pages_found import FoundPage, found_pages
from devstack.children import ChildProcess
from devstack.database_setup import prepare_database
from devstack.leftovers import ProcessRecords
from devstack.plan import External, StackPlan
from devstack.ports import choose_ports
from devstack.postgres import EmbeddedPostgres
from devstack.secret_file import ADMIN_KEY, read_or_make_secrets
from devstack.temporal_server import EmbeddedTemporal, TemporalPlan

_RESULT = Path(__file__).with_name("results") / "pages.json"
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
_PASSWORD = "a good long password"  # noqa: S105  # of somebody who is gone with the database
_WARM_UP = 2
# What the large one may cost at most, and a difference that nobody notices.
_RATIO_MAX = 2.0
_UNNOTICED_MS = 20.0


@dataclass(frozen=True)
class Side:
    """One API with its database, and somebody who may see all of it."""

    url: str
    owner_url: str
    browser: httpx.Client
    client: httpx.Client

    def of(self, page: FoundPage) -> httpx.Client:
        return self.client if page.is_api else self.browser


@dataclass(frozen=True)
class Measured:
    """Milliseconds to the first byte of one page. `problem` says why a page is none."""

    page: str
    few_ms: float = 0.0
    many_ms: float = 0.0
    many_p95_ms: float = 0.0
    problem: str = ""

    @property
    def ratio(self) -> float:
        return self.many_ms / self.few_ms if self.few_ms else 0.0

    @property
    def is_slow(self) -> bool:
        return self.ratio > _RATIO_MAX and self.many_ms - self.few_ms > _UNNOTICED_MS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payments", type=int, default=1_000_000, help="in the large database")
    parser.add_argument("--few", type=int, default=2_000, help="in the small database")
    parser.add_argument("--requests", type=int, default=20, help="for each page of each database")
    parser.add_argument("--keep", type=Path, help="a folder for the databases, used again")
    parser.add_argument("--only", default="", help="only pages whose address contains this")
    options = parser.parse_args()
    say = Console()
    measured = _measure_all(options, say)
    say.print(_table(measured, options.few, options.payments))
    _RESULT.parent.mkdir(exist_ok=True)
    facts = {
        "payments": options.payments,
        "few": options.few,
        "requests": options.requests,
        "pages": [asdict(one) | {"ratio": round(one.ratio, 2)} for one in measured],
    }
    _RESULT.write_text(json.dumps(facts, indent=2))
    slow = [one for one in measured if one.is_slow]
    broken = [one for one in measured if one.problem]
    ratios = sorted(one.ratio for one in measured if not one.problem)
    say.print(
        f"{len(measured)} pages; ratio in the median {median(ratios):.2f}, at most "
        f"{ratios[-1]:.2f}; slow: {len(slow)}, no page at all: {len(broken)}. {_RESULT}"
    )
    return 1 if slow or broken else 0


def _measure_all(options: argparse.Namespace, say: Console) -> list[Measured]:
    with tempfile.TemporaryDirectory(prefix="pages") as folder, ExitStack() as servers:
        where = options.keep or Path(folder)
        where.mkdir(parents=True, exist_ok=True)
        where.chmod(0o755)  # PostgreSQL may run as somebody else
        few = servers.enter_context(_side(where / f"{options.few}", options.few, say))
        many = servers.enter_context(_side(where / f"{options.payments}", options.payments, say))
        pages = [
            pair
            for pair in zip(_pages_of(few), _pages_of(many), strict=True)
            if options.only in pair[0].label
        ]
        return [_measured(few, many, pair, options.requests) for pair in pages]


def _pages_of(side: Side) -> list[FoundPage]:
    openapi = side.client.get("/openapi.json").raise_for_status().json()
    return found_pages(openapi, side.owner_url)


def _measured(few: Side, many: Side, pages: tuple[FoundPage, FoundPage], requests: int) -> Measured:
    """Both in turn, so that whatever else the machine does meets both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(_WARM_UP + requests):
        for side, page, seconds in zip((few, many), pages, times, strict=True):
            took, status = _first_byte(side.of(page), page)
            if status != httpx.codes.OK:
                which = "few" if side is few else "many"
                return Measured(page.label, problem=f"HTTP {status} with {which} payments")
            if number >= _WARM_UP:
                seconds.append(took * 1000)
    return Measured(
        pages[0].label,
        few_ms=round(median(times[0]), 1),
        many_ms=round(median(times[1]), 1),
        many_p95_ms=round(quantiles(times[1], n=20)[-1], 1),
    )


def _first_byte(client: httpx.Client, page: FoundPage) -> tuple[float, int]:
    began = time.perf_counter()
    with client.stream("GET", page.path, params=dict(page.query), follow_redirects=True) as answer:
        chunks = answer.iter_raw()
        next(chunks, b"")
        took = time.perf_counter() - began
        for _ in chunks:
            pass  # to the end, so that the connection is used again
    return took, answer.status_code


# ---- the two sides ----------------------------------------------------------------------------


@contextmanager
def _side(folder: Path, payments: int, say: Console) -> Iterator[Side]:
    """A seeded database and an API on it, with Temporal, which an API does not do without."""
    folder.mkdir(exist_ok=True)
    ports = choose_ports(("api", "temporal", "temporal_ui", "sandbox"), wished={}, remembered={})
    plan = StackPlan(
        data_directory=folder,
        ports=ports,
        secrets=read_or_make_secrets(folder / "secrets.env"),
        overrides={"PAYCENTER_LOG_LEVEL": "WARNING"},
        external=External(),
    )
    records = ProcessRecords(folder / "processes")
    with EmbeddedPostgres(folder / "postgres") as server, ExitStack() as running:
        filled = folder / "filled"
        if not filled.exists():
            began = time.monotonic()
            seed(server.owner_url, server.app_url, payments=payments, public_url=plan.url("api"))
            took = timedelta(seconds=round(time.monotonic() - began))
            say.print(f"a database of {payments:,} payments was filled in {took}")
            filled.touch()
        key = plan.secrets[ADMIN_KEY]
        prepare_database(owner_url=server.owner_url, app_url=server.app_url, admin_key=key)
        temporal = TemporalPlan(folder / "temporal", port=ports["temporal"])
        running.enter_context(EmbeddedTemporal(temporal, records))
        api = ChildProcess(plan.api(server.app_url), records)
        running.callback(api.kill)
        api.spawn()
        api.wait_ready(threading.Event())
        client = running.enter_context(_client(plan.url("api")))
        client.headers["authorization"] = f"Bearer {key}"
        browser = running.enter_context(_client(plan.url("api")))
        _log_in(browser, client)
        yield Side(plan.url("api"), server.owner_url, browser, client)


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=60, trust_env=False, headers={"origin": url})


def _log_in(browser: httpx.Client, admin: httpx.Client) -> None:
    """As a person does for the first time: with the password they were given, then their own."""
    login = f"bench-{secrets.token_hex(4)}"
    person = {"login": login, "name": "Bench", "role": "admin"}
    given = admin.post("/v1/operators", json=person).raise_for_status().json()["password"]
    browser.post("/console/login", data={"login": login, "password": given})
    token = _CSRF.search(browser.get("/console/password").raise_for_status().text)
    form = {"current": given, "new": _PASSWORD, "repeated": _PASSWORD}
    changed = browser.post(
        "/console/password", data=form | {"csrf_token": token.group(1) if token else ""}
    )
    if changed.status_code != httpx.codes.SEE_OTHER:
        raise RuntimeError(f"nobody could log in: HTTP {changed.status_code}")


def _table(measured: Sequence[Measured], few: int, many: int) -> Table:
    table = Table(title=f"Milliseconds to the first byte, {few:,} payments and {many:,}")
    table.add_column("Page", overflow="fold")
    for heading in ("few", "many", "many, p95", "ratio"):
        table.add_column(heading, justify="right")
    for one in measured:
        if one.problem:
            table.add_row(one.page, one.problem, style="red")
            continue
        cells = (f"{one.few_ms:.1f}", f"{one.many_ms:.1f}", f"{one.many_p95_ms:.1f}")
        table.add_row(one.page, *cells, f"{one.ratio:.2f}", style="yellow" if one.is_slow else "")
    return table


if __name__ == "__main__":
    sys.exit(main())
