"""Getting Stripe's statement: the balance transactions of a day, page by page, into one file.

Stripe has no statement file over the interface an account's own key may use, so the pages become
one: a line that says whose and of when it is, a line for each balance transaction as Stripe shows
it (payer and card masked), and a line that says how many there were and what they add up to.

Source: GET /v1/balance_transactions in the API description of 2023-08-16 and docs.stripe.com/api on
pagination; read 2026-11-21.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TextIO

from channels.base import Account
from channels.http import NotSent
from channels.stripe import requests
from channels.stripe.answers import Given, PostingPage, Refused
from channels.stripe.client import StripeClient
from models.channel import Unknown
from models.errors import ChannelMisconfigured, ChannelUnavailable
from models.reconciliation import StatementAvailability

HEAD = "statement_head"
END = "statement_end"

# Lines are in the list at once; this is for clocks that differ and for Stripe's own delays.
_MADE_AFTER = timedelta(minutes=15)
# Ten million lines. Who has more wants Stripe's own report files.
_PAGES_MAX = 200_000
_KEY_REFUSED = frozenset({401, 403})
_SUMMED = ("amount", "fee", "net")


def seconds_of(day: date) -> tuple[int, int]:
    """The first second of `day` by Stripe's clock (UTC), and the first one after it."""
    start = datetime.combine(day, time(), tzinfo=UTC)
    return int(start.timestamp()), int((start + timedelta(days=1)).timestamp())


async def fetch(
    stripe: StripeClient, account: Account, day: date, into: Path
) -> StatementAvailability:
    """Write the statement of `day` to `into`, whole or not at all.

    Raises ChannelUnavailable, or ChannelMisconfigured when the key may not read it.
    """
    if stripe.now < datetime.combine(day, time(), tzinfo=UTC) + timedelta(days=1) + _MADE_AFTER:
        return StatementAvailability.NOT_YET
    page = await _page(stripe, day, None)
    if not page.data:
        return StatementAvailability.EMPTY
    draft = into.with_name(f"{into.name}.part")
    try:
        with _opened(draft) as file:
            _write(file, {"object": HEAD, "account": account.id, "day": day.isoformat()})
            end = _End()
            for _ in range(_PAGES_MAX):
                end.add(page)
                file.writelines(_lines(page))
                if not page.has_more:
                    break
                page = await _page(stripe, day, _cursor(page))
            else:
                raise ChannelUnavailable(f"Stripe's list of {day} does not end")
            _write(file, end.line())
        draft.replace(into)
    finally:
        draft.unlink(missing_ok=True)
    return StatementAvailability.FETCHED


class _End:
    """What the pages held, as Stripe's fields add up."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_SUMMED, 0))

    def add(self, page: PostingPage) -> None:
        for posting in page.data:
            sums = self._sums[str(posting.get("currency"))]
            for name in _SUMMED:
                value = posting.get(name)
                if not isinstance(value, int):
                    raise ChannelUnavailable(f"Stripe listed a line without {name}")
                sums[name] += value
            self._count += 1

    def line(self) -> Mapping[str, object]:
        return {"object": END, "count": self._count, "sums": self._sums}


async def _page(stripe: StripeClient, day: date, after: str | None) -> PostingPage:
    first, end = seconds_of(day)
    said, _ = await stripe.ask(requests.postings_call(first, end, after), PostingPage)
    match said:
        case Given(value=page):
            return page
        case Refused(status=status, error=error) if status in _KEY_REFUSED:
            raise ChannelMisconfigured(f"Stripe shows no statement to this key: {error.words}")
        case Refused(error=error):
            detail = error.words
        case NotSent(detail=detail) | Unknown(detail=detail):
            pass
    raise ChannelUnavailable(f"Stripe did not list what moved on {day}: {detail}")


def _cursor(page: PostingPage) -> str:
    cursor = page.data[-1].get("id") if page.data else None
    if not isinstance(cursor, str):
        raise ChannelUnavailable("Stripe says there is more, and not after what")
    return cursor


def _lines(page: PostingPage) -> Iterator[str]:
    for posting in page.data:
        yield requests.masked(_as_text(posting)) + "\n"


def _write(file: TextIO, line: Mapping[str, object]) -> None:
    file.write(_as_text(line) + "\n")


def _as_text(line: Mapping[str, object]) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def _opened(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")
