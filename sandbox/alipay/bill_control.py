"""Control of bills: the fee in them, today's before its time, and differences planted in them."""

from datetime import date
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from sandbox.alipay.bill_file import write_zip
from sandbox.alipay.bill_rows import Plant
from sandbox.alipay.bills import Bills, BillSettings
from sandbox.books import Books

_CONFLICT = 409
_NOT_FOUND = 404


def bill_router(books: Books, bills: Bills) -> APIRouter:
    """Routes under /alipay/bills."""
    router = APIRouter(prefix="/alipay/bills")

    @router.put("/settings")
    async def change(settings: BillSettings) -> BillSettings:
        bills.change_settings(settings)
        return bills.settings

    @router.post("/plants", status_code=201)
    async def add(plant: Plant) -> dict[str, Any]:
        try:
            bills.plants.add(plant)
        except ValueError as error:
            raise HTTPException(_CONFLICT, str(error)) from None
        return {"plants": bills.plants.all()}

    @router.get("/plants")
    async def plants() -> dict[str, Any]:
        return {"plants": bills.plants.all()}

    @router.delete("/plants")
    async def remove() -> dict[str, int]:
        return {"removed": bills.plants.remove_all()}

    @router.get("/{app_id}/{day}")
    async def whole(app_id: str, day: date) -> Response:
        app = books.find_app(app_id)
        bill = bills.make(app, day) if app is not None else None
        if bill is None:
            raise HTTPException(_NOT_FOUND, "there is no such bill")
        return Response(write_zip(bill), media_type="application/zip")

    return router
