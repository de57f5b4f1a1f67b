"""Getting the bill: where it lies, when there is none, and a download that is whole or nothing."""

import asyncio
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.base import Reconciling
from channels.http import ChannelHttp
from models.errors import ChannelMisconfigured, ChannelUnavailable
from models.reconciliation import StatementAvailability
from tests.channels.alipay_bill import Table, write_zip
from tests.channels.alipay_side import NOW, an_account, answer
from tests.channels.faulty_server import (
    Behaviour,
    FaultyServer,
    hangs_up,
    replies,
    resets,
)

BILL = "alipay.data.dataservice.bill.downloadurl.query"
ON = date(2026, 11, 20)
THE_NEXT_NOON = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def refused(sub_code: str, code: str = "40004") -> bytes:
    fields = {"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "words"}
    return answer(BILL, fields)


def located(url: str) -> bytes:
    return answer(BILL, {"code": "10000", "msg": "Success", "bill_download_url": url})


def first_then(first: Behaviour, then: Behaviour) -> Behaviour:
    """One behaviour for the first request, another for all that follow."""

    async def behave(server: FaultyServer, writer: asyncio.StreamWriter) -> None:
        await (first if len(server.requests) == 1 else then)(server, writer)

    return behave


def left_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


async def half(server: FaultyServer, writer: asyncio.StreamWriter) -> None:
    """Half of what was announced."""
    await replies(b"half", announced=4000)(server, writer)
    writer.close()


async def fetched(
    alipay: AlipayChannel, into: Path, now: datetime = THE_NEXT_NOON
) -> StatementAvailability:
    return await alipay.fetch_statement(an_account(), ON, into, now)


async def test_the_bill_is_put_where_it_is_wanted_and_can_be_read(
    alipay: AlipayChannel, gateway: FaultyServer, tmp_path: Path
) -> None:
    content = write_zip(tmp_path / "theirs", Table().as_bytes()).read_bytes()
    gateway.behaviour = first_then(replies(located(gateway.url)), replies(content))
    into = tmp_path / "bill"

    availability = await fetched(alipay, into)

    assert isinstance(alipay, Reconciling)
    assert availability is StatementAvailability.FETCHED
    statement = alipay.read_statement(an_account(), ON, into)
    assert [line.serial for line in statement.lines()] == ["P1", "P1"]
    assert statement.totals.payments_minor == 19_99
    assert json.loads(gateway.requests[0]["biz_content"]) == {
        "bill_type": "trade",
        "bill_date": "2026-11-20",
    }
    assert gateway.heads[1].startswith("GET ")


@pytest.mark.parametrize("sub_code", ["BILL_NOT_EXIST", "NO_BILL_DATA", "isp.bill_not_exist"])
async def test_no_bill_is_an_empty_day_once_it_would_have_been_made(
    alipay: AlipayChannel, gateway: FaultyServer, tmp_path: Path, sub_code: str
) -> None:
    gateway.behaviour = replies(refused(sub_code))

    early = await fetched(alipay, tmp_path / "bill", datetime(2026, 11, 21, 3, 59, tzinfo=UTC))
    late = await fetched(alipay, tmp_path / "bill")

    assert (early, late) == (StatementAvailability.NOT_YET, StatementAvailability.EMPTY)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        resets,
        replies(refused("UNKNOWN_ERROR")),
        replies(refused("INVAILID_ARGUMENTS")),
        replies(refused("isp.unknow-error", "20000")),
        replies(answer(BILL, {"code": "10000", "msg": "Success"})),
        replies(b"", status=502),
    ],
)
async def test_no_address_means_to_ask_again(
    alipay: AlipayChannel, gateway: FaultyServer, tmp_path: Path, behaviour: Behaviour
) -> None:
    gateway.behaviour = behaviour

    with pytest.raises(ChannelUnavailable):
        await fetched(alipay, tmp_path / "bill")


@pytest.mark.parametrize("code", ["40002", "40006"])
async def test_an_account_that_gets_no_bill_is_misconfigured(
    alipay: AlipayChannel, gateway: FaultyServer, tmp_path: Path, code: str
) -> None:
    gateway.behaviour = replies(refused("isv.insufficient-isv-permissions", code))

    with pytest.raises(ChannelMisconfigured, match="insufficient-isv-permissions"):
        await fetched(alipay, tmp_path / "bill")


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        resets,
        replies(b"expired", status=403),
        half,
    ],
)
async def test_a_download_that_fails_leaves_nothing_behind(
    alipay: AlipayChannel, gateway: FaultyServer, tmp_path: Path, behaviour: Behaviour
) -> None:
    gateway.behaviour = first_then(replies(located(gateway.url)), behaviour)
    into = tmp_path / "bill"
    into.write_bytes(b"an older one")

    with pytest.raises(ChannelUnavailable):
        await fetched(alipay, into)

    assert left_in(tmp_path) == [b"an older one"]


async def test_when_alipay_cannot_be_reached_nothing_is_fetched(
    http: ChannelHttp, tmp_path: Path
) -> None:
    nobody = AlipayChannel(http, gateway_url="http://127.0.0.1:1/gateway.do")

    with pytest.raises(ChannelUnavailable):
        await nobody.fetch_statement(an_account(), ON, tmp_path / "bill", NOW)
