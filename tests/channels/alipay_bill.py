"""Alipay's bill for tests, written from published samples and not with the sandbox's code."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

DAY_BEFORE, DAY, DAY_AFTER = "2026年11月19日", "2026年11月20日", "2026年11月21日"
ACCOUNT = "20880000000000010156"
COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,"
    "券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
TRADE = "2026112022001400000000000001"


def a_row(
    serial: str = "P1",
    amount: str = "19.99",
    *,
    kind: str = "交易",
    refund: str = "",
    fee: str = "-0.12",
    subject: str = "两杯咖啡",
    received: str | None = None,
    done: str = "2026-11-20 12:00:09",
    trade: str = TRADE,
) -> str:
    head = f"{trade}\t,{serial}\t,{kind}\t,{subject},2026-11-20 12:00:01,{done},\t,\t,\t,\t"
    money = (
        f"*者(150******00)\t,{amount},{received or amount},0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00"
    )
    return f"{head},{money},{refund}\t,{fee},0.00,"


def a_refund_row(serial: str = "P1", refund: str = "R1", amount: str = "-5.00") -> str:
    return a_row(serial, amount, kind="退款", refund=refund, fee="0.00")


@dataclass
class Table:
    """The text of the table, part by part, to be changed by a test."""

    rows: list[str] = field(default_factory=lambda: [a_row(), a_refund_row()])
    first: str = "#支付宝业务明细查询"
    account: str = f"#账号：[{ACCOUNT}]"
    period: str = f"#起始日期：[{DAY} 00:00:00]   终止日期：[{DAY_AFTER} 00:00:00]"
    columns: str = COLUMNS
    paid: str = "#交易合计：1笔，商家实收共19.99元，商家优惠共0.00元"
    refunded: str = "#退款合计：1笔，商家实收退款共-5.00元，商家优惠退款共0.00元"

    @property
    def lines(self) -> list[str]:
        return [
            self.first,
            self.account,
            self.period,
            "#-----------------------------------------业务明细列表-----------------------------",
            self.columns,
            *self.rows,
            "#-----------------------------------------业务明细列表结束-------------------------",
            self.paid,
            self.refunded,
            "#导出时间：[2026年11月21日 05:46:49]",
        ]

    def as_bytes(self, encoding: str = "gbk") -> bytes:
        return "".join(f"{line}\r\n" for line in self.lines).encode(encoding)


class GbkName(zipfile.ZipInfo):
    """A name in GBK that does not say so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
        return self.filename.encode("gbk"), self.flag_bits


def write_zip(path: Path, table: bytes, *, name: str | None = None) -> Path:
    stem = f"{ACCOUNT}_20261120_业务明细"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in ((f"{stem}(汇总).csv", b"#"), (name or f"{stem}.csv", table)):
            described = GbkName(entry)
            described.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(described, content)
    return path
