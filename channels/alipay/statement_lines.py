"""The lines of Alipay's bill: which column is what, amounts, and what they have to add up to."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from operator import itemgetter
from typing import NoReturn

from models.errors import InvalidRequest
from models.reconciliation import LineKind, StatementLine, StatementTotals

_TIME = "%Y-%m-%d %H:%M:%S"
_BEIJING = timezone(timedelta(hours=8))  # no summer time since 1991
_KINDS = {"交易": LineKind.PAYMENT, "退款": LineKind.REFUND}
_SUBJECT = "商品名称"
# The columns of `Columns.read`, in its order.
_NAMES = (
    "业务类型",
    "商户订单号",
    "退款批次号/请求号",
    "支付宝交易号",
    "完成时间",
    "订单金额（元）",
    "商家实收（元）",
    "服务费（元）",
)
_AMOUNT = re.compile(r"\s*(-?[0-9]{1,12}\.[0-9]{2})\s*")
# Most amounts come again and again (prices, and 0.00), and lines come by the second.
_AMOUNTS_KEPT = 65_536
_INSTANTS_KEPT = 4_096
_PAID = re.compile(r"#交易合计：([0-9]+)笔，\S*?实收共(-?[0-9.]+)元")
_REFUNDED = re.compile(r"#退款合计：([0-9]+)笔，\S*?退款共(-?[0-9.]+)元")


def refuse(reason: str, detail: str) -> NoReturn:
    """The statement cannot be used. `reason` becomes the end of a stable code."""
    raise InvalidRequest(f"Alipay's statement: {detail}", code=f"statement-{reason}")


class Columns:
    """Where each value stands, from the names in the heading: Alipay adds columns now and then."""

    def __init__(self, heading: str) -> None:
        names = [name.strip() for name in heading.split(",")]
        missing = [name for name in (_SUBJECT, *_NAMES) if names.count(name) != 1]
        if missing:
            refuse("malformed", f"the heading has no column, or two, named {', '.join(missing)}")
        self._width = len(names)
        self._subject = names.index(_SUBJECT)
        self._values = itemgetter(*(names.index(name) for name in _NAMES))

    def read(self, line: str, number: int) -> tuple[StatementLine, int]:
        """A line, and what the merchant received by it (in fen, never negative).

        A refund's amounts are below zero; in a few old bills they are not.
        """
        cells = line.split(",")
        if len(cells) != self._width:
            cells = self._mended(cells, number)
        kind_text, serial, refund, reference, occurred, amount, received, fee = self._values(cells)
        serial, reference = serial.strip(), reference.strip()
        try:
            kind = _KINDS[kind_text.strip()]
            read = StatementLine(
                kind,
                serial,
                refund.strip() if kind is LineKind.REFUND else "",
                reference,
                abs(fen(amount)),
                -fen(fee),
                "CNY",
                _instant(occurred),
            )
            got = abs(fen(received))
        except (KeyError, ValueError) as error:
            refuse("malformed", f"line {number} cannot be read: {error}")
        if not serial or not reference or (kind is LineKind.PAYMENT and fen(amount) < 0):
            refuse("malformed", f"line {number} names no trade, or money the wrong way round")
        return read, got

    def _mended(self, cells: list[str], number: int) -> list[str]:
        """Alipay quotes nothing, so commas in the name of what was bought look like columns."""
        more = len(cells) - self._width
        if more < 0:
            refuse("malformed", f"line {number} has {len(cells)} of {self._width} columns")
        end = self._subject + more + 1
        return [*cells[: self._subject], ",".join(cells[self._subject : end]), *cells[end:]]


class Sums:
    """What the lines add up to, beside what the bill says they do."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(LineKind, 0)
        self._amounts = dict.fromkeys(LineKind, 0)
        self._received = dict.fromkeys(LineKind, 0)
        self._fees = 0

    def add(self, line: StatementLine, received: int) -> None:
        kind = line.kind
        self._counts[kind] += 1
        self._amounts[kind] += line.amount_minor
        self._received[kind] += received
        self._fees += line.fee_minor

    def check(self, paid: str, refunded: str) -> None:
        """Compare with the bill's two lines of totals, which are of what the merchant received."""
        for kind, pattern, text in (
            (LineKind.PAYMENT, _PAID, paid),
            (LineKind.REFUND, _REFUNDED, refunded),
        ):
            said = pattern.match(text)
            if said is None:
                refuse("malformed", f"it has no totals of {kind}s")
            try:
                expected = (int(said[1]), abs(fen(said[2])))
            except ValueError as error:
                refuse("malformed", f"the totals of {kind}s cannot be read: {error}")
            if expected != (self._counts[kind], self._received[kind]):
                refuse(
                    "wrong-totals",
                    f"it says {said[1]} {kind}s of {said[2]} yuan, its lines are "
                    f"{self._counts[kind]} of {self._received[kind]} fen",
                )

    def totals(self) -> StatementTotals:
        return StatementTotals(
            payments=self._counts[LineKind.PAYMENT],
            payments_minor=self._amounts[LineKind.PAYMENT],
            refunds=self._counts[LineKind.REFUND],
            refunds_minor=self._amounts[LineKind.REFUND],
            fees_minor=self._fees,
        )


@lru_cache(maxsize=_AMOUNTS_KEPT)
def fen(text: str) -> int:
    """`-19.99` as -1999. Raises ValueError for any other spelling."""
    amount = _AMOUNT.fullmatch(text)
    if amount is None:
        raise ValueError(f"{text!r} is no amount in yuan")
    return int(amount[1].replace(".", ""))


@lru_cache(maxsize=_INSTANTS_KEPT)
def _instant(text: str) -> datetime:
    local = datetime.strptime(text.strip(), _TIME).replace(tzinfo=_BEIJING)
    return local.astimezone(UTC)
