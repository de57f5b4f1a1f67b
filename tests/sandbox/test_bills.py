"""Bills: what the books say, as Alipay would write it, and what was planted in them."""

import csv
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from sandbox.alipay.bills import Bills
from sandbox.books import App, Books
from sandbox.desk import TradeDesk
from sandbox.refunds import RefundOrder
from tests.sandbox.conftest import Clock
from tests.sandbox.merchant import Answered, Merchant
from tests.sandbox.process import Control
from tests.sandbox.test_books import an_order
from tests.sandbox.test_refunds import paid, refund

BILL = "alipay.data.dataservice.bill.downloadurl.query"
APP = App(
    app_id="2021000000000001",
    seller_id="2088000000000001",
    name="Shop",
    public_key="",
    certificate=None,
)


def today() -> date:
    return (datetime.now(UTC) + timedelta(hours=8)).date()


@pytest.fixture
async def same_day(control: Control) -> AsyncIterator[None]:
    await control.put("/alipay/bills/settings", same_day=True)
    yield
    await control.delete("/alipay/bills/plants")
    await control.put("/alipay/bills/settings", same_day=False)


@dataclass
class Unpacked:
    names: list[str]
    text: str

    @property
    def rows(self) -> list[dict[str, str]]:
        """The table as a reader of CSV sees it, by the names of its columns."""
        lines = [line for line in self.text.splitlines() if not line.startswith("#")]
        return [
            {name: value.strip() for name, value in row.items()} for row in csv.DictReader(lines)
        ]

    def line(self, start: str) -> str:
        return next(line for line in self.text.splitlines() if line.startswith(start))


def unpack(content: bytes, encoding: str = "gbk") -> Unpacked:
    archive = zipfile.ZipFile(io.BytesIO(content))
    names = [entry.filename.encode("cp437").decode("gbk") for entry in archive.infolist()]
    return Unpacked(names, archive.read(archive.infolist()[0]).decode(encoding))


async def asked(merchant: Merchant, day: str, bill_type: str = "trade") -> Answered:
    return await merchant.call(BILL, bill_type=bill_type, bill_date=day)


async def downloaded(merchant: Merchant) -> bytes:
    answer = await asked(merchant, today().isoformat())
    assert answer.signed
    response = await merchant.client.get(answer.content["bill_download_url"])
    assert response.status_code == 200
    return response.content


@pytest.mark.usefixtures("same_day")
async def test_a_bill_lists_payments_and_refunds(merchant: Merchant) -> None:
    number = await paid(merchant)
    await refund(merchant, number, "R1", "5.00")

    bill = unpack(await downloaded(merchant))

    seller = merchant.registered["seller_id"]
    assert bill.names == [
        f"{seller}0156_{today():%Y%m%d}_业务明细.csv",
        f"{seller}0156_{today():%Y%m%d}_业务明细(汇总).csv",
    ]
    payment, given_back = bill.rows
    assert (payment["业务类型"], payment["商户订单号"]) == ("交易", number)
    assert (payment["订单金额（元）"], payment["服务费（元）"]) == ("19.99", "-0.12")
    assert (given_back["业务类型"], given_back["退款批次号/请求号"]) == ("退款", "R1")
    assert given_back["订单金额（元）"] == "-5.00"
    assert bill.line("#交易合计") == "#交易合计：1笔，商家实收共19.99元，商家优惠共0.00元"
    assert bill.line("#退款合计").startswith("#退款合计：1笔，商家实收退款共-5.00元，")
    assert f"{number}\t," in bill.text


@pytest.mark.usefixtures("same_day")
async def test_a_bill_holds_nobody_elses_money(merchant: Merchant, control: Control) -> None:
    await paid(merchant)
    other = await control.post("/alipay/apps", public_key=merchant.registered["alipay_public_key"])

    mine = unpack(await downloaded(merchant))

    assert len(mine.rows) == 1
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await control.get(f"/alipay/bills/{other['app_id']}/{today()}")


@pytest.mark.usefixtures("same_day")
async def test_a_day_without_money_has_no_bill(merchant: Merchant) -> None:
    for day in (today(), today() - timedelta(days=1)):
        answer = await asked(merchant, day.isoformat())
        assert answer.signed
        assert answer.content["sub_code"] == "BILL_NOT_EXIST"


async def test_todays_bill_is_not_made_yet(merchant: Merchant) -> None:
    await paid(merchant)

    answer = await asked(merchant, today().isoformat())

    assert answer.content["sub_code"] == "BILL_NOT_EXIST"


@pytest.mark.parametrize(
    ("day", "bill_type", "sub_code"),
    [
        ("2026-11", "trade", "INVAILID_ARGUMENTS"),
        ("yesterday", "trade", "INVAILID_ARGUMENTS"),
        ("2026-11-19", "signcustomer", "TYPE_NOT_SUPPORTED"),
    ],
)
async def test_what_it_does_not_have_it_says(
    merchant: Merchant, day: str, bill_type: str, sub_code: str
) -> None:
    assert (await asked(merchant, day, bill_type)).content["sub_code"] == sub_code


async def test_nobody_guesses_an_address(merchant: Merchant) -> None:
    base = merchant.registered["gateway_url"].removesuffix("gateway.do")

    assert (await merchant.client.get(f"{base}bills/guess")).status_code == 403


# ---- what is planted --------------------------------------------------------------------------


@pytest.mark.usefixtures("same_day")
async def test_planted_rows_change_the_rows_and_the_totals_with_them(
    merchant: Merchant, control: Control
) -> None:
    gone, other, fee, twice = [await paid(merchant) for _ in range(4)]
    app_id = merchant.app_id
    for plant in (
        {"type": "missing_row", "number": gone},
        {"type": "other_amount", "number": other, "amount_minor": 20_00},
        {"type": "other_fee", "number": fee, "amount_minor": 99},
        {"type": "duplicate_row", "number": twice},
        {"type": "extra_row", "number": "EXTRA", "amount_minor": 7},
        {"type": "extra_row", "number": "REXTRA", "amount_minor": 3, "kind": "refund"},
    ):
        await control.post("/alipay/bills/plants", app_id=app_id, **plant)

    bill = unpack(await downloaded(merchant))

    shown = [
        (row["退款批次号/请求号"] or row["商户订单号"], row["订单金额（元）"], row["服务费（元）"])
        for row in bill.rows
    ]
    assert shown == [
        (other, "20.00", "-0.12"),
        (fee, "19.99", "-0.99"),
        (twice, "19.99", "-0.12"),
        (twice, "19.99", "-0.12"),
        ("EXTRA", "0.07", "0.00"),
        ("REXTRA", "-0.03", "0.00"),
    ]
    assert bill.line("#交易合计").startswith("#交易合计：5笔，商家实收共80.04元，")
    assert bill.line("#退款合计").startswith("#退款合计：1笔，商家实收退款共-0.03元，")


@pytest.mark.usefixtures("same_day")
@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("wrong_totals", "商家实收共20.00元"),
        ("wrong_merchant", "#账号：[20889999999999990156]"),
    ],
)
async def test_a_planted_file_says_something_wrong(
    merchant: Merchant, control: Control, kind: str, shown: str
) -> None:
    await paid(merchant)
    await control.post("/alipay/bills/plants", type=kind, app_id=merchant.app_id)

    assert shown in unpack(await downloaded(merchant)).text


@pytest.mark.usefixtures("same_day")
async def test_a_planted_file_may_be_of_another_day_cut_or_in_another_encoding(
    merchant: Merchant, control: Control
) -> None:
    async def with_plant(kind: str) -> bytes:
        await control.delete("/alipay/bills/plants")
        await control.post("/alipay/bills/plants", type=kind, app_id=merchant.app_id)
        return await downloaded(merchant)

    await paid(merchant)
    yesterday = today() - timedelta(days=1)

    assert f"起始日期：[{yesterday:%Y年%m月%d日}" in unpack(await with_plant("wrong_day")).text
    assert "支付宝业务明细" in unpack(await with_plant("wrong_encoding"), "utf-8").text
    assert "合计" not in unpack(await with_plant("truncated"), "gb18030").text
    with pytest.raises(zipfile.BadZipFile):
        unpack(await with_plant("broken_zip"))


@pytest.mark.usefixtures("same_day")
async def test_a_planted_bill_may_not_be_there(merchant: Merchant, control: Control) -> None:
    await paid(merchant)
    await control.post("/alipay/bills/plants", type="not_there", app_id=merchant.app_id)

    answer = await asked(merchant, today().isoformat())

    assert answer.content["sub_code"] == "BILL_NOT_EXIST"


# ---- days and time, by a clock of our own -----------------------------------------------------


@pytest.fixture
def bills(books: Books, clock: Clock) -> Bills:
    books.save_app(APP)
    return Bills(books=books, now=clock, public_url=lambda: "http://sandbox")


def test_a_day_begins_and_ends_by_beijings_clock(
    bills: Bills, books: Books, desk: TradeDesk, clock: Clock
) -> None:
    for instant in (
        datetime(2026, 11, 20, 15, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 11, 20, 16, 0, tzinfo=UTC),
        datetime(2026, 11, 21, 15, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 11, 21, 16, 0, tzinfo=UTC),
    ):
        clock.now = instant
        desk.pay(desk.submit(an_order(desk, expires_at=instant + timedelta(minutes=1))))

    counts = []
    for day in (20, 21, 22):
        bill = bills.make(APP, date(2026, 11, day))
        counts.append(len(bill.rows) if bill is not None else 0)

    assert counts == [1, 2, 1]


def test_a_refund_is_on_the_bill_of_its_own_day(
    bills: Bills, desk: TradeDesk, clock: Clock
) -> None:
    trade = desk.pay(desk.submit(an_order(desk)))
    clock.now += timedelta(days=1)
    desk.refund(trade, RefundOrder(serial="R1", amount_minor=5_00))

    bill = bills.make(APP, date(2026, 11, 21))

    assert bill is not None
    assert [(row.number, row.amount_minor) for row in bill.rows] == [("R1", -5_00)]


def test_an_address_lives_half_a_minute(bills: Bills, desk: TradeDesk, clock: Clock) -> None:
    desk.pay(desk.submit(an_order(desk)))
    clock.now += timedelta(days=1)
    content: dict[str, object] = {"bill_type": "trade", "bill_date": "2026-11-20"}
    url = str(bills.address(APP, content, {}).fields["bill_download_url"])
    token = url.rpartition("/")[2]

    clock.now += timedelta(seconds=30)
    in_time = bills.fetch(token)
    clock.now += timedelta(seconds=1)
    too_late = bills.fetch(token)

    assert unpack(bytes(in_time.body)).rows
    assert (in_time.status_code, too_late.status_code) == (200, 403)


def test_settings_survive_a_restart(bills: Bills, books: Books, clock: Clock) -> None:
    bills.change_settings(bills.settings.model_copy(update={"fee_bps": 38}))

    again = Bills(books=books, now=clock, public_url=lambda: "http://sandbox")

    assert again.settings.fee_bps == 38


def test_books_from_before_partial_refunds_are_brought_up_to_date(
    tmp_path: Path, books: Books, desk: TradeDesk
) -> None:
    trade = desk.refund_all(desk.pay(desk.submit(an_order(desk))))
    books.connection.execute("ALTER TABLE trade DROP COLUMN refunded_minor")

    again = Books(tmp_path / "books.sqlite3")
    found = again.find_by_trade_no(trade.trade_no)
    again.close()

    assert found == trade
    assert found is not None
    assert found.refunded_minor == 19_99
