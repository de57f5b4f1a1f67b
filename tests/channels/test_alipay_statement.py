"""Alipay's bill becomes neutral lines, or says in one code why it cannot be used."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from channels.alipay.statement import AlipayStatement
from models.errors import InvalidRequest
from models.reconciliation import LineKind, StatementLine, StatementTotals
from tests.channels.alipay_bill import (
    COLUMNS,
    DAY,
    DAY_AFTER,
    DAY_BEFORE,
    TRADE,
    Table,
    a_refund_row,
    a_row,
    write_zip,
)
from tests.channels.alipay_side import SELLER_ID

ON = date(2026, 11, 20)


def a_statement(path: Path) -> AlipayStatement:
    return AlipayStatement(path, seller_id=SELLER_ID, day=ON)


def read(tmp_path: Path, table: Table, encoding: str = "gbk") -> list[StatementLine]:
    return list(a_statement(write_zip(tmp_path / "bill", table.as_bytes(encoding))).lines())


def refused(path: Path) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refusal:
        list(a_statement(path).lines())
    return refusal.value


def test_payments_and_refunds_become_lines(tmp_path: Path) -> None:
    payment, refund = read(tmp_path, Table())

    assert payment == StatementLine(
        kind=LineKind.PAYMENT,
        serial="P1",
        refund_serial="",
        channel_reference=TRADE,
        amount_minor=19_99,
        fee_minor=12,
        currency="CNY",
        occurred_at=datetime(2026, 11, 20, 4, 0, 9, tzinfo=UTC),
    )
    assert (refund.kind, refund.serial, refund.refund_serial) == (LineKind.REFUND, "P1", "R1")
    assert (refund.amount_minor, refund.fee_minor) == (5_00, 0)


def test_totals_are_what_the_lines_add_up_to(tmp_path: Path) -> None:
    table = Table(
        rows=[a_row("P1"), a_row("P2", "0.01", fee="0.00"), a_refund_row()],
        paid="#交易合计：2笔，商家实收共20.00元，商家优惠共0.00元",
    )
    statement = a_statement(write_zip(tmp_path / "bill", table.as_bytes()))

    list(statement.lines())

    assert statement.totals == StatementTotals(
        payments=2, payments_minor=20_00, refunds=1, refunds_minor=5_00, fees_minor=12
    )


def test_totals_are_not_to_be_had_before_the_end(tmp_path: Path) -> None:
    statement = a_statement(write_zip(tmp_path / "bill", Table().as_bytes()))
    next(statement.lines())

    with pytest.raises(RuntimeError):
        assert statement.totals


def test_a_day_on_which_nothing_moved_has_no_lines(tmp_path: Path) -> None:
    table = Table(
        rows=[],
        paid="#交易合计：0笔，商家实收共0.00元，商家优惠共0.00元",
        refunded="#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元",
    )

    assert read(tmp_path, table) == []


def test_columns_are_found_by_name_wherever_they_stand(tmp_path: Path) -> None:
    names = ["新的一列", *reversed(COLUMNS.split(","))]
    rows = [",".join(["x", *reversed(row.split(","))]) for row in (a_row(), a_refund_row())]

    moved = read(tmp_path, Table(columns=",".join(names), rows=rows))

    assert moved == read(tmp_path, Table())


@pytest.mark.parametrize("subject", ["tea, black, 2 cups", '"quoted', "emoji ☕", "a#b"])
def test_what_was_bought_may_have_any_name(tmp_path: Path, subject: str) -> None:
    rows = [a_row(subject=subject), a_refund_row()]

    assert read(tmp_path, Table(rows=rows), "gb18030") == read(tmp_path, Table())


def test_a_fee_given_back_is_below_zero(tmp_path: Path) -> None:
    rows = [a_row(), a_row("P1", "-5.00", kind="退款", refund="R1", fee="0.03")]

    assert [line.fee_minor for line in read(tmp_path, Table(rows=rows))] == [12, -3]


def test_old_bills_write_refunds_without_a_sign(tmp_path: Path) -> None:
    table = Table(
        rows=[a_row(), a_refund_row(amount="5.00")],
        refunded="#退款合计：1笔，商家实收退款共5.00元，商家优惠退款共0.00元",
    )

    assert read(tmp_path, table) == read(tmp_path, Table())


def test_an_account_may_be_named_without_its_suffix(tmp_path: Path) -> None:
    assert len(read(tmp_path, Table(account=f"#账号：[{SELLER_ID}]"))) == 2


def test_a_merchants_own_discount_counts_in_the_totals(tmp_path: Path) -> None:
    table = Table(
        rows=[a_row(received="17.99"), a_refund_row()],
        paid="#交易合计：1笔，商家实收共17.99元，商家优惠共2.00元",
    )

    assert read(tmp_path, table)[0].amount_minor == 19_99


# ---- what cannot be used ----------------------------------------------------------------------


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    assert refused(tmp_path / "none").code == "statement-missing"


def test_an_archive_without_the_table_is_missing(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bill", Table().as_bytes(), name="other.csv")

    assert refused(path).code == "statement-missing"


@pytest.mark.parametrize("left", [0.0, 0.3, 0.6, 0.99])
def test_half_an_archive_is_truncated(tmp_path: Path, left: float) -> None:
    path = write_zip(tmp_path / "bill", Table().as_bytes())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * left)])

    assert refused(path).code == "statement-truncated"


def test_every_shorter_table_is_refused(tmp_path: Path) -> None:
    whole = Table().as_bytes()
    end_of_totals = whole.rindex("#导出".encode("gbk"))

    for length in range(0, end_of_totals, 7):
        path = write_zip(tmp_path / "bill", whole[:length])
        assert refused(path).code in {"statement-truncated", "statement-malformed"}, length


def test_a_table_cut_inside_a_row_is_truncated(tmp_path: Path) -> None:
    whole = Table().as_bytes()
    start, end = (whole.index(part.encode("gbk")) for part in ("P1", "R1"))

    codes = {refused(write_zip(tmp_path / "bill", whole[:at])).code for at in range(start, end)}

    assert codes == {"statement-truncated"}


def test_a_damaged_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "bill"
    table = Table().as_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("20880000000000010156_20261120_业务明细.csv", table)
    path.write_bytes(path.read_bytes().replace(b"05:46:49", b"05:46:50"))

    assert refused(path).code == "statement-truncated"


def test_a_text_in_utf_8_has_the_wrong_encoding(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        path = write_zip(tmp_path / "bill", Table().as_bytes(encoding))
        assert refused(path).code == "statement-wrong-encoding"


def test_a_text_that_changes_its_encoding_has_the_wrong_one(tmp_path: Path) -> None:
    table = Table().as_bytes().replace("两杯咖啡".encode("gbk"), b"\xff\xff\xff\xff", 1)

    assert refused(write_zip(tmp_path / "bill", table)).code == "statement-wrong-encoding"


def _of_another(account: str) -> Table:
    return Table(account=f"#账号：[{account}]")


def _from_to(start: str, end: str) -> Table:
    return Table(period=f"#起始日期：[{start} 00:00:00]   终止日期：[{end} 00:00:00]")


def _totals(paid: str, refunded: str = "1笔，商家实收退款共-5.00元") -> Table:
    return Table(
        paid=f"#交易合计：{paid}，商家优惠共0.00元",
        refunded=f"#退款合计：{refunded}，商家优惠退款共0.00元",
    )


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (_of_another("20880000000000020156"), "statement-wrong-merchant"),
        (_of_another("2088000000000001"[:-1]), "statement-wrong-merchant"),
        (_of_another("208800000000000101567"), "statement-wrong-merchant"),
        (_from_to(DAY_BEFORE, DAY), "statement-wrong-day"),
        (_from_to(DAY_BEFORE, DAY_AFTER), "statement-wrong-day"),
        (_from_to(DAY, "2026年11月22日"), "statement-wrong-day"),
        (_totals("2笔，商家实收共19.99元"), "statement-wrong-totals"),
        (_totals("1笔，商家实收共20.00元"), "statement-wrong-totals"),
        (_totals("1笔，商家实收共19.99元", "0笔，商家实收退款共-5.00元"), "statement-wrong-totals"),
        (_totals("1笔，商家实收共19.99元", "1笔，商家实收退款共-5.01元"), "statement-wrong-totals"),
        (Table(rows=[a_row()]), "statement-wrong-totals"),
        (Table(rows=[a_row(), a_row(), a_refund_row()]), "statement-wrong-totals"),
        (Table(first="#支付宝账务明细查询"), "statement-malformed"),
        (Table(account="#"), "statement-malformed"),
        (Table(period="#"), "statement-malformed"),
        (Table(columns=COLUMNS.replace("商户订单号", "别的")), "statement-malformed"),
        (Table(columns=COLUMNS.replace("终端号", "商户订单号")), "statement-malformed"),
        (Table(paid="#"), "statement-malformed"),
        (_totals("1笔，商家实收共19.9元"), "statement-malformed"),
        (Table(rows=[a_row(kind="转账")]), "statement-malformed"),
        (Table(rows=[a_row(amount="-19.99")]), "statement-malformed"),
        (Table(rows=[a_row(amount="19.990")]), "statement-malformed"),
        (Table(rows=[a_row(amount="1,999.00")]), "statement-malformed"),
        (Table(rows=[a_row(amount="٣.٠٠")]), "statement-malformed"),
        (Table(rows=[a_row(fee="")]), "statement-malformed"),
        (Table(rows=[a_row(serial="")]), "statement-malformed"),
        (Table(rows=[a_row(trade="")]), "statement-malformed"),
        (Table(rows=[a_row(done="2026-11-31 00:00:00")]), "statement-malformed"),
        (Table(rows=[a_row(done="2026-11-20T12:00:09+00:00")]), "statement-malformed"),
        (Table(rows=["a,b"]), "statement-malformed"),
        (Table(rows=[""]), "statement-malformed"),
        (Table(rows=[a_row(subject="x" * 20_000)]), "statement-truncated"),
    ],
)
def test_a_bill_that_is_wrong_says_how(tmp_path: Path, table: Table, code: str) -> None:
    path = write_zip(tmp_path / "bill", table.as_bytes("gb18030"))

    assert refused(path).code == code


def test_the_same_path_may_be_read_again_once_it_is_right(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bill", Table(rows=[a_row()]).as_bytes())
    statement = a_statement(path)
    with pytest.raises(InvalidRequest):
        list(statement.lines())

    write_zip(path, Table().as_bytes())

    assert len(list(statement.lines())) == 2


def _many(count: int) -> Callable[[io.BytesIO], None]:
    table = Table(rows=[])
    head = "\r\n".join(table.lines[:5])
    tail = [
        table.lines[5],
        f"#交易合计：{count}笔，商家实收共{count}.00元，商家优惠共0.00元",
        "#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元",
        "",
    ]

    def write(target: io.BytesIO) -> None:
        target.write(f"{head}\r\n".encode("gbk"))
        for number in range(count):
            target.write(f"{a_row(f'P{number}', '1.00')}\r\n".encode("gbk"))
        target.write("\r\n".join(tail).encode("gbk"))

    return write


def test_a_long_bill_is_never_held_in_memory(tmp_path: Path) -> None:
    content = io.BytesIO()
    _many(20_000)(content)
    path = write_zip(tmp_path / "bill", content.getvalue())
    assert len(content.getvalue()) > 3_000_000
    del content

    tracemalloc.start()
    count = sum(1 for _ in a_statement(path).lines())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 20_000
    assert peak < 1_000_000
