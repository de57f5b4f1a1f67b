"""Writes a bill as Alipay does: a zip of two CSV files, GBK inside and in their names.

Source: channels reference section 2 (a sample of 2019) and footers of published sample bills; read
2026-11-20.
"""

import io
import zipfile
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sandbox.alipay.bill_rows import Kind, Plant, PlantType, Row
from sandbox.alipay.words import beijing, yuan
from sandbox.desk import BEIJING

_RULE = "-" * 41
_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
_SUMMARY_COLUMNS = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,"
    "支付宝优惠（元）,商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
)
_ACCOUNT_SUFFIX = "0156"  # an account's number is its holder's id and this
_STRANGER = "2088999999999999"
_WORDS = {Kind.PAYMENT: "交易", Kind.REFUND: "退款"}


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill before it is written. `plants` are what is wrong with it as a file."""

    seller_id: str
    day: date
    rows: tuple[Row, ...]
    made_at: datetime
    plants: tuple[Plant, ...] = ()

    def is_planted(self, kind: PlantType) -> bool:
        return any(plant.type is kind for plant in self.plants)

    @property
    def account(self) -> str:
        wrong = self.is_planted(PlantType.WRONG_MERCHANT)
        return (_STRANGER if wrong else self.seller_id) + _ACCOUNT_SUFFIX

    @property
    def shown_day(self) -> date:
        return self.day - timedelta(days=self.is_planted(PlantType.WRONG_DAY))


class _GbkName(zipfile.ZipInfo):
    """An entry whose name is GBK without the UTF-8 flag, as old tools on Windows write it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile asks for this name
        return self.filename.encode("gbk"), self.flag_bits


def write_zip(bill: Bill) -> bytes:
    """The whole file as it is downloaded."""
    charset = "utf-8" if bill.is_planted(PlantType.WRONG_ENCODING) else "gbk"
    details = _details(bill).encode(charset, "replace")
    if bill.is_planted(PlantType.TRUNCATED):
        details = details[: len(details) * 2 // 3]
    stem = f"{bill.account}_{bill.shown_day:%Y%m%d}_业务明细"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, f"{stem}.csv", details)
        _add(archive, f"{stem}(汇总).csv", _summary(bill).encode(charset, "replace"))
    whole = packed.getvalue()
    return whole[: len(whole) // 2] if bill.is_planted(PlantType.BROKEN_ZIP) else whole


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = _GbkName(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


def _details(bill: Bill) -> str:
    shown = bill.shown_day
    lines = [
        "#支付宝业务明细查询",
        f"#账号：[{bill.account}]",
        f"#起始日期：[{_midnight(shown)}]   终止日期：[{_midnight(shown + timedelta(days=1))}]",
        f"#{_RULE}业务明细列表{_RULE}",
        _COLUMNS,
        *(_line(row) for row in bill.rows),
        f"#{_RULE}业务明细列表结束{_RULE}",
        *_totals(bill),
        f"#导出时间：[{bill.made_at.astimezone(BEIJING):%Y年%m月%d日 %H:%M:%S}]",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def _line(row: Row) -> str:
    amount = _signed_yuan(row.amount_minor)
    names = [f"{row.trade_no}\t", f"{row.out_trade_no}\t", f"{_WORDS[row.kind]}\t", row.subject]
    times = [beijing(row.created_at), beijing(row.completed_at)]
    place = ["\t", "\t", "\t", "\t", "*者(buy***@sandbox.example)\t"]
    money = [amount, amount, "0.00", "0.00", "0.00", "0.00", "0.00", "", "0.00\t", "0.00"]
    rest = [f"{row.request_no}\t", _signed_yuan(row.fee_minor), "0.00", ""]
    return ",".join(names + times + place + money + rest)


def _totals(bill: Bill) -> tuple[str, str]:
    (paid, paid_minor), (refunds, refunded_minor) = _sums(bill.rows)
    paid_minor += bill.is_planted(PlantType.WRONG_TOTALS)
    return (
        f"#交易合计：{paid}笔，商家实收共{yuan(paid_minor)}元，商家优惠共0.00元",
        f"#退款合计：{refunds}笔，商家实收退款共{_signed_yuan(refunded_minor)}元，"
        "商家优惠退款共0.00元",
    )


def _summary(bill: Bill) -> str:
    (paid, paid_minor), (refunds, refunded_minor) = _sums(bill.rows)
    fees = sum(row.fee_minor for row in bill.rows)
    net = paid_minor + refunded_minor
    amounts = (net, net, 0, 0, 0, fees, 0, net + fees)
    cells = ("合计\t", "\t", paid, refunds, *map(_signed_yuan, amounts))
    shown = bill.shown_day
    lines = [
        "#支付宝业务汇总查询",
        f"#账号：[{bill.account}]",
        f"#起始日期：[{_midnight(shown)}]   终止日期：[{_midnight(shown + timedelta(days=1))}]",
        f"#{_RULE}业务汇总列表{_RULE}",
        _SUMMARY_COLUMNS,
        ",".join(str(cell) for cell in cells),
        f"#{_RULE}业务汇总列表结束{_RULE}",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def _sums(rows: tuple[Row, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """How many and how much, of payments and of refunds (below zero)."""
    paid = [row.amount_minor for row in rows if row.kind is Kind.PAYMENT]
    refunded = [row.amount_minor for row in rows if row.kind is Kind.REFUND]
    return (len(paid), sum(paid)), (len(refunded), sum(refunded))


def _midnight(day: date) -> str:
    return f"{day:%Y年%m月%d日} 00:00:00"


def _signed_yuan(amount_minor: int) -> str:
    return f"-{yuan(-amount_minor)}" if amount_minor < 0 else yuan(amount_minor)
