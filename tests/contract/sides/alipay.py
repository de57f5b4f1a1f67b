"""Alipay's side."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from io import BytesIO
from zipfile import ZipFile, ZipInfo

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from models.money import Money
from tests.contract.sides.base import Priced, Will
from tests.sandbox.merchant import merchant_key, public_pem
from tests.sandbox.process import Control

_CODES = {
    Will.PAYS: "285015833990941919",
    Will.WAITS: "280115833990941919",
    Will.REFUSES: "280215833990941919",
}


class AlipaySide:
    price = Priced(Money(amount_minor=19_99, currency="CNY"), 12)  # 0.6 % is 0.11994
    smallest = Money(amount_minor=1, currency="CNY")
    largest = Money(amount_minor=100_000_000_00, currency="CNY")
    sends = frozenset({"alipay_qr", "alipay_buyer_code"})
    stays_open: frozenset[str] = frozenset()
    refund_request = "alipay.trade.refund"
    capture_request = "alipay.trade.pay"
    void_request = "alipay.fund.auth.order.unfreeze"

    async def open_account(self, control: Control, notify_url: str) -> dict[str, str]:
        """Alipay is told where to notify with each order."""
        made = await control.post("/alipay/apps", public_key=public_pem(merchant_key()))
        names = ("app_id", "seller_id", "alipay_public_key")
        return {name: made[name] for name in names} | {"app_private_key": _pem(merchant_key())}

    def strangers(self, parameters: Mapping[str, str]) -> dict[str, str]:
        return {**parameters, "app_private_key": _pem(_another_key())}

    def payer_code(self, method: str, will: Will) -> str:
        return _CODES[will]

    async def end_the_day(self, control: Control) -> timedelta:
        """The gateway wants requests of now, so it is the sandbox that makes the bill early."""
        await control.put("/alipay/bills/settings", same_day=True)
        return timedelta()

    def without_a_line(self, statement: bytes) -> bytes:
        changed = BytesIO()
        with ZipFile(BytesIO(statement)) as theirs, ZipFile(changed, "w") as ours:
            for entry in theirs.infolist():
                lines = theirs.read(entry).splitlines(keepends=True)
                first = next(n for n, line in enumerate(lines) if not line.startswith(b"#")) + 1
                ours.writestr(
                    _GbkName(entry.filename), b"".join(lines[:first] + lines[first + 1 :])
                )
        return changed.getvalue()

    async def let_the_day_go_on(self, control: Control) -> None:
        await control.put("/alipay/bills/settings", same_day=False)

    async def expire_hold(self, control: Control, serial: str) -> None:
        await control.post("/alipay/holds/expire", out_trade_no=serial)


SIDE = AlipaySide()


class _GbkName(ZipInfo):
    """A name in GBK that does not say so; Python has read it as code page 437."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
        return self.filename.encode("cp437"), self.flag_bits


@cache
def _another_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
