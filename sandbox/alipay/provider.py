"""Alipay put together: gateway, cashier, registered apps and the wording of notifications."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import BaseRoute, Route

from sandbox.alipay.bills import Bills
from sandbox.alipay.cashier import CASHIER_PATH, Cashier, load_templates
from sandbox.alipay.certificates import Authority, pem
from sandbox.alipay.contents import Content, InvalidContent, text_of
from sandbox.alipay.gateway import AfterAnswer, Gateway
from sandbox.alipay.hold_books import Hold, HoldBooks, HoldEvent
from sandbox.alipay.hold_desk import HoldDesk
from sandbox.alipay.hold_messages import NEWS, HoldMessages, news_type
from sandbox.alipay.hold_methods import HoldMethods
from sandbox.alipay.hold_page import HOLD_PATH, HoldPage
from sandbox.alipay.messages import PAID, WAITING, Messages
from sandbox.alipay.methods import Methods
from sandbox.alipay.requests import AppRegistry, Credentials, RequestCheck
from sandbox.alipay.signing import read_public_key, write_public_key
from sandbox.alipay.words import (
    BILL_ADDRESS,
    CERTIFICATE_DOWNLOAD,
    NOTIFY_SCHEDULE,
    REFUND,
    Reply,
    success,
    trade_status,
)
from sandbox.books import App, Books, Trade
from sandbox.desk import BEIJING, TradeDesk
from sandbox.dispatcher import Letter, News, Wording
from sandbox.faults import FaultQueue, Taken
from sandbox.outbox import Notification
from sandbox.refunds import Refund

PROVIDER = "alipay"
GATEWAY_PATH = INTERFACE_PATH = "/alipay/gateway.do"
_APP_ID_DIGITS = 12
_SELLER_ID_DIGITS = 12
_NOTIFY_ID_BYTES = 13
_OK = 200


class Registration(BaseModel):
    """A merchant's app as it is asked for. Registering a known `app_id` replaces its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app_id: str | None = Field(default=None, pattern=r"^\d{16}$")
    seller_id: str | None = Field(default=None, pattern=r"^2088\d{12}$")
    name: str = Field(default="沙箱商户 Sandbox merchant", min_length=1, max_length=100)
    public_key: str | None = Field(default=None, max_length=4000)
    app_certificate: str | None = Field(default=None, max_length=8000)
    issue_certificate: bool = False


class RegisteredApp(BaseModel):
    """All that a merchant needs to know to talk to this sandbox; nothing of it is secret."""

    app_id: str
    seller_id: str
    name: str
    mode: str
    gateway_url: str
    alipay_public_key: str
    alipay_certificate: str
    alipay_root_certificate: str
    alipay_cert_sn: str
    alipay_root_cert_sn: str
    app_certificate: str | None
    app_cert_sn: str | None


class Alipay:
    """One simulated Alipay on the given books."""

    def __init__(
        self,
        *,
        books: Books,
        folder: Path,
        public_url: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._books = books
        self._public_url = public_url
        self._now = now
        self._authority = Authority(folder)
        self._registry = AppRegistry(books)
        self._messages = Messages(authority=self._authority, books=books, now=now)
        self.holds = HoldBooks(books)
        self._hold_messages = HoldMessages(authority=self._authority, books=self.holds, now=now)
        self.bills = Bills(books=books, now=now, public_url=public_url)
        self.wording = Wording(
            schedule=NOTIFY_SCHEDULE,
            compose=self._compose,
            is_acknowledged=lambda status, answer: status == _OK and answer == b"success",
            overtaken=frozenset({PAID}),
            earlier=lambda later: self._news(self._trade(later), WAITING, later.url),
        )
        self._gateway: Gateway | None = None

    def routes(
        self, *, desk: TradeDesk, hold_desk: HoldDesk, faults: FaultQueue, after: AfterAnswer
    ) -> list[BaseRoute]:
        templates = load_templates()
        methods = Methods(
            books=self._books,
            desk=desk,
            now=self._now,
            cashier_url=self.cashier_url,
            holds=HoldMethods(
                books=self.holds,
                desk=hold_desk,
                trades=desk,
                now=self._now,
                page_url=self.hold_url,
            ),
            others={
                BILL_ADDRESS: self.bills.address,
                CERTIFICATE_DOWNLOAD: self._download_certificate,
            },
        )
        self._gateway = Gateway(
            check=RequestCheck(self._registry, self._authority, self._now),
            methods=methods,
            messages=self._messages,
            faults=faults,
            after=after,
            templates=templates,
        )
        cashier = Cashier(
            books=self._books, desk=desk, messages=self._messages, templates=templates
        )
        hold_page = HoldPage(books=self.holds, desk=hold_desk, templates=templates)
        return [
            Route(GATEWAY_PATH, self._gateway, methods=["GET", "POST"]),
            *cashier.routes(),
            *hold_page.routes(),
            *self.bills.routes(),
        ]

    def news(self, trade: Trade) -> News | None:
        """What the merchant is told of a paid trade; None when it gave no address."""
        return self._news(trade, PAID, trade.notify_url) if trade.notify_url else None

    def refund_news(self, trade: Trade, refund: Refund) -> News | None:
        """What it is told of a refund, at the address of the trade, with the trade's status."""
        if not trade.notify_url:
            return None
        news = self._news(trade, trade_status(trade), trade.notify_url)
        return replace(news, method=REFUND, about=refund.serial)

    def hold_news(self, hold: Hold, event: HoldEvent) -> News | None:
        """What it is told of a hold that was made or given up."""
        told = news_type(event)
        if told is None or hold.notify_url is None:
            return None
        return News(
            notify_id=self._new_notify_id(),
            provider=PROVIDER,
            trade_no=hold.auth_no,
            app_id=hold.app_id,
            out_trade_no=hold.out_order_no,
            method=hold.method,
            trade_status=told,
            url=hold.notify_url,
            about=str(event.seq),
        )

    def hold_url(self, hold: Hold) -> str:
        return f"{self._public_url()}{HOLD_PATH}/{hold.code}"

    def cashier_url(self, trade: Trade) -> str:
        return f"{self._public_url()}{CASHIER_PATH}/{trade.code}"

    def trade_status(self, trade: Trade) -> str | None:
        """Alipay's name for where it stands; None while Alipay would not know it."""
        return trade_status(trade) if trade.opened_at is not None else None

    def request_counts(self) -> dict[str, int]:
        return dict(self._gateway.requests) if self._gateway is not None else {}

    def register(self, wanted: Registration) -> RegisteredApp:
        """Add an app or replace its keys. Raises ValueError with what is wrong with them."""
        app_id = wanted.app_id or f"2021{secrets.randbelow(10**_APP_ID_DIGITS):012d}"
        known = self._books.find_app(app_id)
        kept = known.seller_id if known is not None else None
        app = App(
            app_id=app_id,
            seller_id=wanted.seller_id or kept or _new_seller_id(),
            name=wanted.name,
            public_key=wanted.public_key or "",
            certificate=self._certificate(app_id, wanted),
        )
        return self._describe(self._registry.save(app))

    def apps(self) -> list[RegisteredApp]:
        found = (self._registry.find(app.app_id) for app in self._books.apps())
        return [self._describe(credentials) for credentials in found if credentials is not None]

    def _download_certificate(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        if text_of(content, "alipay_cert_sn") != self._authority.certificate_sn:
            raise InvalidContent("alipay_cert_sn")
        text = base64.b64encode(pem(self._authority.certificate).encode()).decode()
        return success(None, {"alipay_cert_content": text})

    def _compose(self, notification: Notification, faults: Taken) -> Letter:
        if notification.trade_status.startswith(NEWS):
            return Letter(self._hold_messages.notification(notification, faults))
        trade = self._trade(notification)
        return Letter(self._messages.notification(notification, trade, faults))

    def _trade(self, notification: Notification) -> Trade:
        trade = self._books.find_by_trade_no(notification.trade_no)
        if trade is None:
            raise LookupError(f"notification {notification.notify_id} has no trade")
        return trade

    def _news(self, trade: Trade, trade_status: str, url: str) -> News:
        return News(
            notify_id=self._new_notify_id(),
            provider=PROVIDER,
            trade_no=trade.trade_no,
            app_id=trade.app_id,
            out_trade_no=trade.out_trade_no,
            method=trade.method,
            trade_status=trade_status,
            url=url,
        )

    def _new_notify_id(self) -> str:
        day = f"{self._now().astimezone(BEIJING):%Y%m%d}"
        return f"{day}{secrets.token_hex(_NOTIFY_ID_BYTES)}"

    def _certificate(self, app_id: str, wanted: Registration) -> str | None:
        if wanted.app_certificate is not None:
            certificate = x509.load_pem_x509_certificate(wanted.app_certificate.encode())
            if not self._authority.has_issued(certificate):
                raise ValueError("the app certificate was not issued by this sandbox")
            return pem(certificate)
        if not wanted.public_key:
            raise ValueError("public_key or app_certificate is needed")
        key = read_public_key(wanted.public_key)
        if wanted.issue_certificate:
            return pem(self._authority.certificate_for(app_id, key))
        return None

    def _describe(self, credentials: Credentials) -> RegisteredApp:
        authority, app = self._authority, credentials.app
        return RegisteredApp(
            app_id=app.app_id,
            seller_id=app.seller_id,
            name=app.name,
            mode="key" if credentials.certificate_sn is None else "certificate",
            gateway_url=f"{self._public_url()}{GATEWAY_PATH}",
            alipay_public_key=write_public_key(authority.key.public_key()),
            alipay_certificate=pem(authority.certificate),
            alipay_root_certificate=pem(authority.root),
            alipay_cert_sn=authority.certificate_sn,
            alipay_root_cert_sn=authority.root_sn,
            app_certificate=app.certificate,
            app_cert_sn=credentials.certificate_sn,
        )


def _new_seller_id() -> str:
    return f"2088{secrets.randbelow(10**_SELLER_ID_DIGITS):012d}"
