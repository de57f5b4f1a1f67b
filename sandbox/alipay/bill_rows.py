"""The rows of a day's bill, read from the books, and the differences planted into them."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from models.money import Money
from sandbox.books import Books, EventKind, TradeEvent
from sandbox.desk import BEIJING
from sandbox.refunds import refund_serial

_SELECT = """
SELECT e.trade_no, e.kind, e.at, e.amount_minor, e.details, t.out_trade_no, t.subject, t.created_at
FROM trade_event e JOIN trade t USING (trade_no) JOIN app a USING (app_id)
WHERE a.seller_id = ? AND e.kind IN ('paid', 'refunded') AND e.at >= ? AND e.at < ? ORDER BY e.seq
"""
_PLANTS_MAX = 1000


class Kind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: money in (`amount_minor` > 0) or given back (< 0); a fee taken is negative."""

    kind: Kind
    trade_no: str
    out_trade_no: str
    subject: str
    created_at: datetime
    completed_at: datetime
    amount_minor: int
    fee_minor: int
    request_no: str = ""

    @property
    def number(self) -> str:
        """The merchant's number of it: the refund's, or the trade's."""
        return self.request_no or self.out_trade_no


class PlantType(StrEnum):
    """What is wrong with a bill. The first five change rows, the others the whole file."""

    MISSING_ROW = "missing_row"
    DUPLICATE_ROW = "duplicate_row"
    EXTRA_ROW = "extra_row"
    OTHER_AMOUNT = "other_amount"
    OTHER_FEE = "other_fee"
    NOT_THERE = "not_there"
    TRUNCATED = "truncated"
    BROKEN_ZIP = "broken_zip"
    WRONG_TOTALS = "wrong_totals"
    WRONG_MERCHANT = "wrong_merchant"
    WRONG_DAY = "wrong_day"
    WRONG_ENCODING = "wrong_encoding"


class Plant(BaseModel):
    """A difference as it is asked for; without `app_id` or `day` it strikes all of them.

    `number` names a row: a refund by its own number, a payment by its trade's. `amount_minor` is
    the amount of an extra or changed row, or the fee of `other_fee`; never negative.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: PlantType
    app_id: str | None = None
    day: date | None = None
    number: str = ""
    amount_minor: int = Field(default=1, ge=0)
    kind: Kind = Kind.PAYMENT


class Plants:
    """The differences asked for. Kept in memory: a restarted sandbox tells the truth."""

    def __init__(self) -> None:
        self._plants: list[Plant] = []

    def add(self, plant: Plant) -> None:
        """Raises ValueError when there are too many."""
        if len(self._plants) >= _PLANTS_MAX:
            raise ValueError(f"there are {_PLANTS_MAX} plants already; delete some")
        self._plants.append(plant)

    def all(self) -> tuple[Plant, ...]:
        return tuple(self._plants)

    def remove_all(self) -> int:
        removed = len(self._plants)
        self._plants = []
        return removed

    def striking(self, app_id: str, day: date) -> tuple[Plant, ...]:
        return tuple(
            plant
            for plant in self._plants
            if plant.app_id in {None, app_id} and plant.day in {None, day}
        )


def read_rows(books: Books, seller_id: str, day: date, fee_bps: int) -> tuple[Row, ...]:
    """What moved on `day`, by Beijing's clock, for all apps of a seller."""
    start = datetime(day.year, day.month, day.day, tzinfo=BEIJING)
    bounds = (_text(start), _text(start + timedelta(days=1)))
    found = books.connection.execute(_SELECT, (seller_id, *bounds))
    return tuple(_row(dict(one), fee_bps) for one in found)


def planted(rows: tuple[Row, ...], plants: tuple[Plant, ...], day: date) -> tuple[Row, ...]:
    """The rows with every difference in them, in the order they were asked for."""
    for plant in plants:
        rows = _with_plant(rows, plant, day)
    return rows


def _with_plant(rows: tuple[Row, ...], plant: Plant, day: date) -> tuple[Row, ...]:
    match plant.type:
        case PlantType.MISSING_ROW:
            return tuple(row for row in rows if row.number != plant.number)
        case PlantType.DUPLICATE_ROW:
            return rows + tuple(row for row in rows if row.number == plant.number)
        case PlantType.EXTRA_ROW:
            return (*rows, _extra(plant, day))
        case PlantType.OTHER_AMOUNT:
            return tuple(
                replace(row, amount_minor=_signed(row.kind, plant.amount_minor))
                if row.number == plant.number
                else row
                for row in rows
            )
        case PlantType.OTHER_FEE:
            return tuple(
                replace(row, fee_minor=-plant.amount_minor) if row.number == plant.number else row
                for row in rows
            )
        case _:
            return rows


def _extra(plant: Plant, day: date) -> Row:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=BEIJING)
    is_refund = plant.kind is Kind.REFUND
    return Row(
        kind=plant.kind,
        trade_no=f"{day:%Y%m%d}{'9' * 20}",
        out_trade_no="T-NOBODY-KNOWS" if is_refund else plant.number,
        subject="多出来的一笔",
        created_at=noon,
        completed_at=noon,
        amount_minor=_signed(plant.kind, plant.amount_minor),
        fee_minor=0,
        request_no=plant.number if is_refund else "",
    )


def _row(found: dict[str, str | int], fee_bps: int) -> Row:
    event = TradeEvent.model_validate(found)
    created_at = datetime.fromisoformat(str(found["created_at"]))
    is_payment = event.kind is EventKind.PAID
    kind = Kind.PAYMENT if is_payment else Kind.REFUND
    money = Money(amount_minor=event.amount_minor, currency="CNY")
    return Row(
        kind=kind,
        trade_no=event.trade_no,
        out_trade_no=str(found["out_trade_no"]),
        subject=str(found["subject"]),
        created_at=created_at,
        completed_at=event.at,
        amount_minor=_signed(kind, event.amount_minor),
        fee_minor=-money.share_bps(fee_bps).amount_minor if is_payment else 0,
        request_no="" if is_payment else refund_serial(event),
    )


def _signed(kind: Kind, amount_minor: int) -> int:
    return amount_minor if kind is Kind.PAYMENT else -amount_minor


def _text(instant: datetime) -> str:
    """A prefix of how events write instants (in UTC), so that texts compare as times do."""
    utc = instant - (instant.utcoffset() or timedelta(0))
    return utc.replace(tzinfo=None).isoformat(timespec="seconds")
