"""Getting Alipay's daily bill: asking for its address, and downloading what lies there.

Source: alipay.data.dataservice.bill.downloadurl.query in the v3 models of alipay-sdk-php-all
(OpenAPI document of 2025-12-15), read 2026-11-20.
"""

from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from channels.alipay.answers import SUCCESS, Trade
from channels.alipay.errors import is_missing_permission
from channels.http import ChannelHttp, NotSent, Reply
from models.channel import Unknown
from models.errors import ChannelMisconfigured, ChannelUnavailable
from models.reconciliation import StatementAvailability

# The bill of a day is made by nine in the morning of the next, "later in special cases"; until
# noon a day without a bill may be a late one as well as an empty one.
_MADE_BY = time(12)
_BEIJING = ZoneInfo("Asia/Shanghai")
_NO_BILL = frozenset({"BILL_NOT_EXIST", "NO_BILL_DATA"})

# A million lines are 30 MB zipped. The address dies 30 seconds after it was asked for, a download
# under way does not.
_FILE_MAX_BYTES = 2 * 1024**3
_WITHIN = timedelta(minutes=15)


def address_of(
    trade: Trade | NotSent | Unknown, day: date, now: datetime
) -> str | StatementAvailability:
    """Where the bill lies, or why it lies nowhere. Raises ChannelUnavailable, ...Misconfigured."""
    match trade:
        case NotSent(detail=detail) | Unknown(detail=detail):
            raise ChannelUnavailable(f"Alipay did not say where the bill of {day} is: {detail}")
    if trade.code == SUCCESS and trade.bill_download_url:
        return trade.bill_download_url
    if trade.sub_code.rpartition(".")[2].upper() in _NO_BILL:
        return _empty_or_late(day, now)
    said = f"{trade.code} {trade.sub_code} {trade.words}".strip()
    if is_missing_permission(trade.code):
        raise ChannelMisconfigured(f"Alipay gives no bill to this account: {said}")
    raise ChannelUnavailable(f"Alipay gave no bill of {day}: {said}")


async def download(http: ChannelHttp, url: str, into: Path) -> None:
    """Write the file to `into`, whole or not at all. Raises ChannelUnavailable."""
    draft = into.with_name(f"{into.name}.part")
    with _opened(draft) as file:
        result = await http.download(
            url, sink=file.write, bytes_max=_FILE_MAX_BYTES, within=_WITHIN
        )
    match result:
        case Reply(status=HTTPStatus.OK):
            draft.replace(into)
            return
        case Reply(status=status):
            detail = f"HTTP status {status}"
        case _:
            detail = result.detail
    draft.unlink()
    raise ChannelUnavailable(f"the bill could not be downloaded: {detail}")


def _empty_or_late(day: date, now: datetime) -> StatementAvailability:
    made = datetime.combine(day + timedelta(days=1), _MADE_BY, tzinfo=_BEIJING)
    return StatementAvailability.EMPTY if now >= made else StatementAvailability.NOT_YET


def _opened(path: Path) -> BinaryIO:
    return path.open("wb")
