"""Bills: where a day's file is to be had, and the file itself.

Source: alipay.data.dataservice.bill.downloadurl.query in the OpenAPI document of 2025-12-15, read
2026-11-20.
"""

import secrets
from collections.abc import Callable
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.alipay.bill_file import Bill, write_zip
from sandbox.alipay.bill_rows import Plants, PlantType, planted, read_rows
from sandbox.alipay.contents import Content, text_of
from sandbox.alipay.words import Reply, failure, success
from sandbox.books import App, Books
from sandbox.desk import BEIJING

BILLS_PATH = "/alipay/bills"
_ADDRESS_LIFETIME = timedelta(seconds=30)
_ADDRESSES_MAX = 1000  # the oldest goes first; nobody fetches so many in half a minute
_TOKEN_BYTES = 20
_SETTING = "alipay-bills"


class BillSettings(BaseModel):
    """`fee_bps` is taken of each payment. `same_day`: today's bill is to be had already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fee_bps: int = Field(default=60, ge=0, le=10_000)
    same_day: bool = False


class Bills:
    """Makes bills from the books, with what is planted in them."""

    def __init__(
        self, *, books: Books, now: Callable[[], datetime], public_url: Callable[[], str]
    ) -> None:
        self._books = books
        self._now = now
        self._public_url = public_url
        self._addresses: dict[str, tuple[App, date, datetime]] = {}
        self.plants = Plants()
        kept = books.read_setting(_SETTING)
        self.settings = BillSettings.model_validate_json(kept) if kept else BillSettings()

    def routes(self) -> list[Route]:
        return [Route(f"{BILLS_PATH}/{{token}}", self.download, methods=["GET"])]

    def change_settings(self, settings: BillSettings) -> None:
        self.settings = settings
        self._books.write_setting(_SETTING, settings.model_dump_json())

    def address(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        """An address that lives half a minute; a day on which nothing moved has no bill."""
        if text_of(content, "bill_type") != "trade":
            return failure("TYPE_NOT_SUPPORTED", "账单类型不支持")
        try:
            day = date.fromisoformat(text_of(content, "bill_date"))
        except ValueError:
            return failure("INVAILID_ARGUMENTS", "入参不合法")
        bill = self.make(app, day) if self._is_out(day) else None
        if bill is None:
            return failure("BILL_NOT_EXIST", "账单不存在")
        token = secrets.token_hex(_TOKEN_BYTES)
        self._addresses[token] = (app, day, self._now() + _ADDRESS_LIFETIME)
        if len(self._addresses) > _ADDRESSES_MAX:
            del self._addresses[next(iter(self._addresses))]
        url = f"{self._public_url()}{BILLS_PATH}/{token}"
        return success(None, {"bill_download_url": url})

    async def download(self, request: Request) -> Response:
        return self.fetch(request.path_params["token"])

    def fetch(self, token: str) -> Response:
        """The file at an address, while the address lives."""
        found = self._addresses.get(token)
        if found is None or found[2] < self._now():
            return Response("the address has expired", status_code=403)
        app, day, _ = found
        bill = self.make(app, day)
        if bill is None:
            return Response("there is no such bill", status_code=404)
        headers = {"content-disposition": f"attachment; filename={bill.account}_{day:%Y%m%d}.zip"}
        return Response(write_zip(bill), media_type="application/zip", headers=headers)

    def make(self, app: App, day: date) -> Bill | None:
        """The bill of a day; None when nothing moved on it, or it is planted not to be there."""
        plants = self.plants.striking(app.app_id, day)
        rows = planted(
            read_rows(self._books, app.seller_id, day, self.settings.fee_bps), plants, day
        )
        if not rows or any(plant.type is PlantType.NOT_THERE for plant in plants):
            return None
        return Bill(seller_id=app.seller_id, day=day, rows=rows, made_at=self._now(), plants=plants)

    def _is_out(self, day: date) -> bool:
        today = self._now().astimezone(BEIJING).date()
        return day < today or (day == today and self.settings.same_day)
