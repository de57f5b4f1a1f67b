"""`/alipay/gateway.do`: reads, checks, executes, answers; and misbehaves where it is told to."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.alipay.hold_books import Hold
from sandbox.alipay.messages import Messages, amount_field
from sandbox.alipay.methods import Methods
from sandbox.alipay.requests import Credentials, GatewayRequest, RequestCheck, read_request
from sandbox.alipay.words import BROWSER_METHODS, GatewayError, Reply, failure
from sandbox.books import Trade
from sandbox.faults import FaultQueue, FaultType, Taken, Target
from sandbox.server import drop_connection

Subject = Trade | Hold

_BODY_MAX_BYTES = 256 * 1024  # the longest real request is a few kilobytes
_UNKNOWN_CODE = ("40099", "ACQ.NEVER_HEARD_OF")
_ERROR_STATUS = 500

_BEFORE = frozenset({FaultType.DROP_BEFORE, FaultType.HTTP_500_BEFORE, FaultType.UNKNOWN_CODE})
_AFTER = frozenset(
    {
        FaultType.DROP_AFTER,
        FaultType.HTTP_500_AFTER,
        FaultType.DELAY,
        FaultType.CALLBACK_BEFORE_ANSWER,
        FaultType.BAD_SIGNATURE,
        FaultType.WRONG_AMOUNT,
    }
)


class Dropped(Exception):
    """Close the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class AfterAnswer:
    """What follows executing: the payer who pays on the spot, and the one who pays at once."""

    pay_first: Callable[[Subject], Awaitable[None]]
    consider: Callable[[Subject], None]


class Gateway:
    """The ASGI application behind the gateway's one address."""

    def __init__(
        self,
        *,
        check: RequestCheck,
        methods: Methods,
        messages: Messages,
        faults: FaultQueue,
        after: AfterAnswer,
        templates: Environment,
    ) -> None:
        self._check = check
        self._methods = methods
        self._messages = messages
        self._faults = faults
        self._after = after
        self._templates = templates
        self.requests: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(Request(scope, receive))
        if body is None:
            await Response(status_code=413)(scope, receive, send)
            return
        request = read_request(scope["query_string"], body)
        self.requests[request.method] += 1
        executed: list[Subject] = []
        try:
            response = await self._respond(request, executed)
            await response(scope, receive, send)
        except Dropped:
            await drop_connection(scope, receive)
        finally:
            for subject in executed:
                self._after.consider(subject)

    async def _respond(self, request: GatewayRequest, executed: list[Subject]) -> Response:
        number = _numbers(request)
        before = self._faults.take(
            _BEFORE, Target.ANSWER, method=request.method, out_trade_no=number
        )
        if FaultType.DROP_BEFORE in before:
            raise Dropped
        if FaultType.HTTP_500_BEFORE in before:
            return _server_error(before, FaultType.HTTP_500_BEFORE)
        try:
            credentials = self._verify(request)
        except GatewayError as error:
            return self._rejection(error.reply, request)
        reply = self._execute(request, credentials, before)
        if reply.subject is not None:
            executed.append(reply.subject)
        after = self._faults.take(
            _possible(reply), Target.ANSWER, method=request.method, out_trade_no=number
        )
        await self._disturb(reply, after)
        if FaultType.HTTP_500_AFTER in after:
            return _server_error(after, FaultType.HTTP_500_AFTER)
        return self._answer(reply, request, credentials, after)

    def _verify(self, request: GatewayRequest) -> Credentials:
        if not request.method:
            raise GatewayError("40001", "isv.missing-method", "缺少方法名参数")
        if not self._methods.knows(request.method):
            raise GatewayError("40002", "isv.invalid-method", "不存在的方法名")
        return self._check.credentials(request)

    def _execute(self, request: GatewayRequest, credentials: Credentials, before: Taken) -> Reply:
        strange = before.get(FaultType.UNKNOWN_CODE)
        if strange is None:
            return self._methods.execute(credentials.app, request.content(), dict(request.params))
        code, sub_code = strange.code or _UNKNOWN_CODE[0], strange.sub_code or _UNKNOWN_CODE[1]
        subject = None
        if strange.executes:
            done = self._methods.execute(credentials.app, request.content(), dict(request.params))
            subject = done.subject
        said = failure(sub_code, "未知的返回码", code=code)
        return Reply(said.code, said.msg, said.sub_code, said.sub_msg, subject=subject)

    async def _disturb(self, reply: Reply, faults: Taken) -> None:
        if FaultType.CALLBACK_BEFORE_ANSWER in faults and reply.subject is not None:
            await self._after.pay_first(reply.subject)
        if FaultType.DELAY in faults:
            await asyncio.sleep(faults[FaultType.DELAY].seconds or 0)
        if FaultType.DROP_AFTER in faults:
            raise Dropped

    def _answer(
        self, reply: Reply, request: GatewayRequest, credentials: Credentials, faults: Taken
    ) -> Response:
        if request.method in BROWSER_METHODS:
            if reply.code != "10000":
                return self._page(reply)
            return RedirectResponse(str(reply.fields["cashier_url"]), status_code=302)
        body = self._messages.answer(
            reply,
            method=request.method,
            charset=request.charset,
            certified=credentials.certificate_sn is not None,
            faults=faults,
        )
        return _json(body, request.charset)

    def _rejection(self, reply: Reply, request: GatewayRequest) -> Response:
        if request.method in BROWSER_METHODS:
            return self._page(reply)
        method = request.method if self._methods.knows(request.method) else None
        body = self._messages.rejection(reply, method=method, charset=request.charset)
        return _json(body, request.charset)

    def _page(self, reply: Reply) -> Response:
        return HTMLResponse(self._templates.get_template("error.html").render(reply=reply))


def _possible(reply: Reply) -> frozenset[FaultType]:
    """The faults that would show on this answer; the others stay in the queue."""
    possible = _AFTER
    if reply.subject is None or reply.subject.notify_url is None:
        possible -= {FaultType.CALLBACK_BEFORE_ANSWER}
    if amount_field(reply.fields) is None:
        possible -= {FaultType.WRONG_AMOUNT}
    return possible


def _numbers(request: GatewayRequest) -> str:
    """What a fault may know the request by: the number of its trade, refund or hold."""
    content = request.content()
    names = ("out_trade_no", "out_request_no", "out_order_no")
    return " ".join(str(content.get(name, "")) for name in names)


def _server_error(faults: Taken, kind: FaultType) -> Response:
    status = int(faults[kind].code or _ERROR_STATUS)
    return HTMLResponse("<html><body><h1>Server error</h1></body></html>", status_code=status)


def _json(body: bytes, charset: str) -> Response:
    return Response(body, media_type=f"application/json;charset={charset}")


async def _read_body(request: Request) -> bytes | None:
    """The whole body, or None when it is longer than any honest one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_MAX_BYTES:
            return None
    return body
