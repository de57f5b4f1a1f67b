"""Reading Stripe's statement: what moved an account's balance on a day, one line each.

Which of Stripe's types is what to us:

- `charge` and `payment` are payments, `refund` and `payment_refund` are refunds.
- A refund that failed later has a second line that gives the money back (`refund_failure`). When
  both are of the day nothing moved, and neither is a line; alone it is money that came in under
  none of our payment numbers.
- Whatever else moves money for a payer (a dispute, types that Stripe adds) comes in or goes out
  under no number of ours, so that a person looks at it.
- What moves between Stripe and the account's bank, its other balances, and fees for the account as
  a whole are no payers' business and no lines; settlement looks at them.

Source: docs.stripe.com/reports/balance-transaction-types; read 2026-11-21.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn, TextIO, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from channels.stripe.amounts import minor_of
from channels.stripe.outcomes import instant
from channels.stripe.postings import END, HEAD, seconds_of
from models.errors import InvalidRequest
from models.reconciliation import LineKind, StatementLine, StatementTotals

_LINE_MAX = 262_144  # characters; a real line has some 4,000

_PAYMENTS = frozenset({"charge", "payment"})
_REFUNDS = frozenset({"refund", "payment_refund"})
_FAILED_REFUNDS = frozenset({"refund_failure"})
_NOT_PAYERS = frozenset(
    {
        *("payout", "payout_cancel", "payout_failure", "topup", "topup_reversal"),
        *("transfer", "transfer_cancel", "transfer_failure", "transfer_refund"),
        *("stripe_fee", "stripe_fx_fee", "tax_fee", "contribution"),
        *("application_fee", "application_fee_refund", "connect_collection_transfer"),
        *("advance", "advance_funding", "anticipation_repayment"),
        *("reserve_transaction", "reserved_funds"),
        *("issuing_authorization_hold", "issuing_authorization_release"),
        *("issuing_dispute", "issuing_transaction"),
        *("obligation_inbound", "obligation_outbound", "obligation_payout"),
        *("obligation_reversal_inbound", "obligation_reversal_outbound"),
        "obligation_payout_failure",
    }
)


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


_Text = Annotated[str, Field(max_length=5_000)]
_Code = Annotated[str, Field(pattern=r"^[a-z]{3}$")]


class _Source(_Read):
    """The charge, refund or other object that a line is about."""

    id: _Text
    amount: int | None = None
    amount_captured: int | None = None
    currency: _Code | None = None
    payment_intent: _Text | None = None
    metadata: dict[str, str] | None = None
    livemode: bool | None = None


class _Posting(_Read):
    """A balance transaction. Source: schema `balance_transaction` of 2023-08-16."""

    object: Annotated[str, Field(pattern=r"^balance_transaction$")]
    id: _Text
    type: _Text
    amount: int
    fee: int
    net: int
    currency: _Code
    created: int
    source: _Source | _Text | None = None

    @property
    def about(self) -> _Source:
        """The source, whether Stripe shows all of it or names it alone."""
        if isinstance(self.source, _Source):
            return self.source
        return _Source(id=self.source or self.id)


class _Price(NamedTuple):
    amount_minor: int
    fee_minor: int
    currency: str


class _Counted(_Read):
    amount: int
    fee: int
    net: int


class _End(_Read):
    count: int
    sums: dict[str, _Counted]


class _Head(_Read):
    account: _Text
    day: date


_Part = TypeVar("_Part", bound=_Read)


class StripeStatement:
    """One statement of the account `account_id` (our name of it) for `day`.

    Go through `lines` to their end, then read `totals`. Every way in which it can be wrong is an
    InvalidRequest with a code of its own: `statement-` and missing, truncated, malformed,
    wrong-encoding, wrong-merchant, wrong-day, wrong-totals. One line at a time is held in memory,
    and the refunds that failed on the day: a failure comes before its refund, newest first.
    """

    def __init__(self, path: Path, *, account_id: str, is_live: bool, day: date) -> None:
        self._path = path
        self._account_id = account_id
        self._is_live = is_live
        self._day = day
        self._totals: StatementTotals | None = None

    @property
    def totals(self) -> StatementTotals:
        """What the lines add up to. Raises RuntimeError before they were read to their end."""
        if self._totals is None:
            raise RuntimeError("the lines were not read to their end")
        return self._totals

    def lines(self) -> Iterator[StatementLine]:
        """The lines, newest first, read as they are asked for."""
        try:
            with self._path.open(encoding="utf-8", newline="\n") as file:
                yield from self._read(_Texts(file))
        except FileNotFoundError:
            refuse("missing", "there is no such file")
        except UnicodeDecodeError as error:
            if "unexpected end" in error.reason:
                refuse("truncated", "it ends in the middle of a character")
            refuse("wrong-encoding", "the text is not UTF-8")

    def _read(self, texts: "_Texts") -> Iterator[StatementLine]:
        self._check_head(texts.next())
        sums, failed = _Sums(), dict[str, StatementLine]()
        while not _is(text := texts.next(), END):
            posting = self._posting(text, texts.number)
            sums.count(posting)
            line = _read_line(posting)
            if line is None:
                continue
            if posting.type in _FAILED_REFUNDS:
                failed[posting.about.id] = line
            elif posting.type not in _REFUNDS or not failed.pop(posting.about.id, None):
                sums.add(line)
                yield line
        for line in failed.values():
            sums.add(line)
            yield line
        sums.check(_parsed(_End, text, texts.number))
        texts.expect_nothing()
        self._totals = sums.totals()

    def _check_head(self, text: str) -> None:
        if not _is(text, HEAD):
            refuse("malformed", "it does not begin like a statement")
        head = _parsed(_Head, text, 1)
        if head.account != self._account_id:
            refuse("wrong-merchant", f"it is of {head.account[:40]}, not of {self._account_id}")
        if head.day != self._day:
            refuse("wrong-day", f"it is of {head.day}, asked for was {self._day}")

    def _posting(self, text: str, number: int) -> _Posting:
        posting = _parsed(_Posting, text, number)
        first, end = seconds_of(self._day)
        if not first <= posting.created < end:
            refuse("wrong-day", f"line {number} is not of {self._day}")
        if posting.net != posting.amount - posting.fee:
            refuse("wrong-totals", f"line {number}: {posting.amount} less {posting.fee} of fees")
        if posting.about.livemode not in {None, self._is_live}:
            refuse("wrong-merchant", f"line {number} is of the other mode, test or live")
        if posting.amount * _sign(posting.type) < 0:
            refuse("malformed", f"line {number} is money the wrong way round")
        return posting


class _Texts:
    """The text line by line, without line ends, counted as an editor counts."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0

    def next(self) -> str:
        self.number += 1
        line = self._file.readline(_LINE_MAX)
        if not line.endswith("\n"):
            refuse("truncated", f"it ends in line {self.number}")
        return line

    def expect_nothing(self) -> None:
        if self._file.read(1):
            refuse("malformed", f"it goes on after its end in line {self.number}")


class _Sums:
    """What the lines add up to, beside what was counted while Stripe listed them."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._counts = dict.fromkeys(LineKind, 0)
        self._amounts = dict.fromkeys(LineKind, 0)
        self._fees = 0

    def count(self, posting: _Posting) -> None:
        self._count += 1
        sums = self._sums[posting.currency]
        sums[0] += posting.amount
        sums[1] += posting.fee
        sums[2] += posting.net

    def add(self, line: StatementLine) -> None:
        self._counts[line.kind] += 1
        self._amounts[line.kind] += line.amount_minor
        self._fees += line.fee_minor

    def check(self, end: _End) -> None:
        said = {name: [sums.amount, sums.fee, sums.net] for name, sums in end.sums.items()}
        if (end.count, said) != (self._count, self._sums):
            refuse("wrong-totals", f"it ends with {end.count} lines {said}, not what they are")

    def totals(self) -> StatementTotals:
        return StatementTotals(
            payments=self._counts[LineKind.PAYMENT],
            payments_minor=self._amounts[LineKind.PAYMENT],
            refunds=self._counts[LineKind.REFUND],
            refunds_minor=self._amounts[LineKind.REFUND],
            fees_minor=self._fees,
        )


def refuse(reason: str, detail: str) -> NoReturn:
    """The statement cannot be used. `reason` becomes the end of a stable code."""
    raise InvalidRequest(f"Stripe's statement: {detail}", code=f"statement-{reason}")


def _read_line(posting: _Posting) -> StatementLine | None:
    """What `posting` is to us; None for what is none of ours."""
    about = posting.about
    if posting.type in _NOT_PAYERS or posting.amount == posting.fee == 0:
        return None
    ours = about.metadata or {}
    order = ours.get("order", "")
    if posting.type in _PAYMENTS:
        return _made(LineKind.PAYMENT, posting, order, "", about.payment_intent or about.id)
    if posting.type in _REFUNDS:
        return _made(LineKind.REFUND, posting, order, ours.get("refund", ""), about.id)
    kind = LineKind.REFUND if posting.amount < 0 else LineKind.PAYMENT
    return _made(kind, posting, "", "", about.id)


def _made(
    kind: LineKind, posting: _Posting, serial: str, refund_serial: str, reference: str
) -> StatementLine:
    price = _price(posting)
    occurred_at = instant(posting.created)
    if occurred_at is None:
        refuse("malformed", f"{posting.id} was made at no time")
    return StatementLine(
        kind,
        serial,
        refund_serial,
        reference,
        price.amount_minor,
        price.fee_minor,
        price.currency,
        occurred_at,
    )


def _price(posting: _Posting) -> _Price:
    """Amount and fee in the currency the payer paid in, which is the one our books are in.

    Stripe keeps its balance in the currency of the account's bank. What it exchanged is taken from
    the charge or refund itself, and the fee is brought back in the same proportion, half to even.
    """
    about, own = posting.about, posting.currency
    paid = about.amount if about.amount_captured is None else about.amount_captured
    theirs = about.currency or own
    if theirs == own or not paid or not posting.amount:
        amount, fee = abs(minor_of(posting.amount, own)), minor_of(posting.fee, own)
        return _Price(amount, fee, own.upper())
    fee = round(Fraction(posting.fee * paid, abs(posting.amount)))
    return _Price(minor_of(paid, theirs), minor_of(fee, theirs), theirs.upper())


def _sign(kind: str) -> int:
    """Which way money of a type goes: 1 in, -1 out, 0 both."""
    if kind in _PAYMENTS or kind in _FAILED_REFUNDS:
        return 1
    return -1 if kind in _REFUNDS else 0


def _is(text: str, name: str) -> bool:
    """Whether a line is one of those that we add."""
    return text.startswith(f'{{"object":"{name}"')


def _parsed(kind: type[_Part], text: str, number: int) -> _Part:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        names = sorted({".".join(str(part) for part in e["loc"]) or "all" for e in error.errors()})
        refuse("malformed", f"line {number} cannot be read: {', '.join(names)}"[:300])
