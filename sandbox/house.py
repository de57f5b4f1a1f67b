"""Everything one sandbox is made of, wired together."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.routing import BaseRoute

from sandbox.alipay.cashier import load_templates
from sandbox.alipay.gateway import AfterAnswer
from sandbox.alipay.hold_books import Hold, HoldEvent
from sandbox.alipay.hold_desk import HoldDesk
from sandbox.alipay.hold_till import AlipayTill
from sandbox.alipay.provider import PROVIDER as ALIPAY
from sandbox.alipay.provider import Alipay
from sandbox.alipay.side import AlipaySide
from sandbox.autopay import AutoPayer
from sandbox.books import Books, Trade
from sandbox.desk import TradeDesk
from sandbox.dispatcher import Dispatcher, News
from sandbox.faults import FaultQueue
from sandbox.outbox import Outbox
from sandbox.providers import Surroundings, build_providers
from sandbox.refunds import Refund
from sandbox.sides import Side
from sandbox.tills import Action, Payable, Till, TradeTill


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
        self.providers = build_providers(
            Surroundings(
                books=self.books,
                now=now,
                public_url=public_url,
                time_scale=lambda: self.dispatcher.time_scale,
                faults=self.faults,
                templates=load_templates(),
                announce=self._announce,
                deliver=self._deliver,
                consider=self._consider,
                progress=self._progress.set,
            )
        )
        self.dispatcher = Dispatcher(
            outbox=self.outbox,
            faults=self.faults,
            wordings={ALIPAY: self.alipay.wording}
            | {provider.side.provider: provider.wording() for provider in self.providers},
            now=now,
            time_scale=time_scale,
            progress=self._progress.set,
        )
        self.desk = TradeDesk(self.books, now, self._announce_trade, self._announce_refund)
        self.hold_desk = HoldDesk(self.alipay.holds, self.desk, now, self._announce_hold)
        trade_till = TradeTill(self.books, self.desk)
        self.till = AlipayTill(trade_till, self.alipay.holds, self.hold_desk)
        self.auto_payer = AutoPayer(self.books, progress=self._progress.set)
        self.sides: tuple[Side, ...] = (
            AlipaySide(
                books=self.books,
                desk=self.desk,
                hold_desk=self.hold_desk,
                alipay=self.alipay,
                till=self.till,
            ),
            *(provider.side for provider in self.providers),
        )

    def routes(self) -> list[BaseRoute]:
        after = AfterAnswer(pay_first=self._pay_first, consider=self._consider_subject)
        alipay = self.alipay.routes(
            desk=self.desk, hold_desk=self.hold_desk, faults=self.faults, after=after
        )
        return [*alipay, *(route for one in self.providers for route in one.routes())]

    async def start(self) -> None:
        await self.dispatcher.start()
        for provider in self.providers:
            provider.start()
        self.auto_payer.start(*(side.till for side in self.sides))

    async def stop(self) -> None:
        self.auto_payer.stop()
        for provider in self.providers:
            provider.stop()
        await self.dispatcher.stop()
        self.books.close()

    async def become_idle(self, within: timedelta) -> None:
        """Return once nobody is paying and no notification is under way or due `within`."""
        while not self._is_idle(within):
            self._progress.clear()
            await self._progress.wait()

    def _is_idle(self, within: timedelta) -> bool:
        others = all(provider.is_idle(within) for provider in self.providers)
        return others and self.auto_payer.is_idle() and self.dispatcher.is_idle(within)

    async def _pay_first(self, subject: Trade | Hold) -> None:
        """The payer is quicker than our answer: paid and told before the merchant hears back."""
        if self.till.is_open(subject):
            self.till.act(subject.trade_no, Action.PAY)
        await self._deliver(subject)

    async def _deliver(self, payable: Payable) -> None:
        await self.dispatcher.deliver_all(
            trade_no=payable.trade_no, out_trade_no=payable.out_trade_no
        )

    def _consider(self, till: Till, payable: Payable) -> None:
        self.auto_payer.consider(till, payable)

    def _consider_subject(self, subject: Trade | Hold) -> None:
        self.auto_payer.consider(self.till, subject)

    def _announce(self, news: News) -> None:
        self.dispatcher.announce(news)

    def _announce_trade(self, trade: Trade) -> None:
        news = self.alipay.news(trade)
        if news is not None:
            self.dispatcher.announce(news)

    def _announce_hold(self, hold: Hold, event: HoldEvent) -> None:
        news = self.alipay.hold_news(hold, event)
        if news is not None:
            self.dispatcher.announce(news)

    def _announce_refund(self, trade: Trade, refund: Refund) -> None:
        news = self.alipay.refund_news(trade, refund)
        if news is not None:
            self.dispatcher.announce(news)
