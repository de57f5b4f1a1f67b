"""Everything one sandbox is made of, wired together."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.routing import BaseRoute

from sandbox.alipay.cashier import load_templates
from sandbox.alipay.gateway import AfterAnswer
from sandbox.alipay.provider import PROVIDER as ALIPAY
from sandbox.alipay.provider import Alipay
from sandbox.autopay import AutoPayer
from sandbox.books import Books, Trade, TradeStatus
from sandbox.desk import TradeDesk
from sandbox.dispatcher import Dispatcher, News
from sandbox.faults import FaultQueue
from sandbox.outbox import Outbox
from sandbox.refunds import Refund
from sandbox.sides import AlipaySide, Side
from sandbox.stripe.api import AfterExecution
from sandbox.stripe.models import Intent, IntentStatus
from sandbox.stripe.provider import Stripe, Surroundings
from sandbox.stripe.side import StripeSide
from sandbox.stripe.words import PROVIDER as STRIPE
from sandbox.tills import TradeTill


def utc_now() -> datetime:
    return datetime.now(UTC)


class House:
    """The parts of a sandbox. `public_url` is asked for late: a chosen port is known late."""

    def __init__(
        self,
        books_path: Path,
        public_url: str,
        *,
        time_scale: float = 1.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.now = now
        self._progress = asyncio.Event()
        self.books = Books(books_path)
        self.outbox = Outbox(self.books)
        self.faults = FaultQueue()
        self.alipay = Alipay(
            books=self.books, folder=books_path.parent, public_url=lambda: public_url, now=now
        )
        around = Surroundings(
            now=now,
            public_url=public_url,
            time_scale=lambda: self.dispatcher.time_scale,
            announce=self._announce,
            progress=self._progress.set,
        )
        self.stripe = Stripe(self.books, around)
        self.dispatcher = Dispatcher(
            outbox=self.outbox,
            faults=self.faults,
            wordings={ALIPAY: self.alipay.wording, STRIPE: self.stripe.events.wording()},
            now=now,
            time_scale=time_scale,
            progress=self._progress.set,
        )
        self.desk = TradeDesk(self.books, now, self._announce_trade, self._announce_refund)
        self.till = TradeTill(self.books, self.desk)
        self.auto_payer = AutoPayer(self.books, progress=self._progress.set)
        self.stripe_side = StripeSide(self.stripe)
        self.sides: tuple[Side, ...] = (
            AlipaySide(books=self.books, desk=self.desk, alipay=self.alipay, till=self.till),
            self.stripe_side,
        )

    def routes(self) -> list[BaseRoute]:
        after = AfterAnswer(pay_first=self._pay_first, consider=self._consider_trade)
        executed = AfterExecution(pay_first=self._settle_first, consider=self._consider_intent)
        return [
            *self.alipay.routes(desk=self.desk, faults=self.faults, after=after),
            *self.stripe.routes(faults=self.faults, after=executed, templates=load_templates()),
        ]

    async def start(self) -> None:
        await self.dispatcher.start()
        self.stripe.start()
        self.auto_payer.start(self.till, self.stripe)

    async def stop(self) -> None:
        self.auto_payer.stop()
        self.stripe.stop()
        await self.dispatcher.stop()
        self.books.close()

    async def become_idle(self, within: timedelta) -> None:
        """Return once nobody is paying and no notification is under way or due `within`."""
        while not self._is_idle(within):
            self._progress.clear()
            await self._progress.wait()

    def _is_idle(self, within: timedelta) -> bool:
        nobody_pays = self.auto_payer.is_idle() and self.stripe.is_idle(within)
        return nobody_pays and self.dispatcher.is_idle(within)

    async def _pay_first(self, trade: Trade) -> None:
        """The payer is quicker than our answer: paid and told before the merchant hears back."""
        if trade.status in {TradeStatus.PREPARED, TradeStatus.WAITING}:
            trade = self.desk.pay(trade)
        await self.dispatcher.deliver_all(trade_no=trade.trade_no, out_trade_no=trade.out_trade_no)

    async def _settle_first(self, intent: Intent) -> None:
        """The same with Stripe: whatever the intent waits for happens before the answer."""
        if intent.status in {IntentStatus.REQUIRES_ACTION, IntentStatus.PROCESSING}:
            self.stripe.pay(intent)
        await self.dispatcher.deliver_all(trade_no=intent.id, out_trade_no=intent.order_no)

    def _consider_intent(self, intent: Intent) -> None:
        self.auto_payer.consider(self.stripe, intent)

    def _consider_trade(self, trade: Trade) -> None:
        self.auto_payer.consider(self.till, trade)

    def _announce(self, news: News) -> None:
        self.dispatcher.announce(news)

    def _announce_trade(self, trade: Trade) -> None:
        news = self.alipay.news(trade)
        if news is not None:
            self.dispatcher.announce(news)

    def _announce_refund(self, trade: Trade, refund: Refund) -> None:
        news = self.alipay.refund_news(trade, refund)
        if news is not None:
            self.dispatcher.announce(news)
