"""The REST API: verifies, executes once per idempotency key, answers; misbehaves when told to."""

import asyncio
import base64
import binascii
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.faults import FaultQueue, FaultType, Taken, Target
from sandbox.server import drop_connection
from sandbox.stripe.accounts import Account, Accounts
from sandbox.stripe.calls import Call, Operation, Result
from sandbox.stripe.desk import IntentDesk, Tools
from sandbox.stripe.events import one_too_high
from sandbox.stripe.form import Fields, Tree, parse_form
from sandbox.stripe.models import Intent, Origin, Refund, SavedAnswer
from sandbox.stripe.operations import Operations
from sandbox.stripe.refunds import RefundDesk
from sandbox.stripe.words import API_VERSION, Problem, Shown

API_PATH: Final = "/stripe/v1"
_BODY_MAX_BYTES: Final = 256 * 1024  # the longest real request is a few kilobytes
_KEY_MAX: Final = 255
_STRANGE_STATUS: Final = "never_heard_of"
_ERROR_STATUS: Final = "500"

_MAKES: Final = frozenset({"payment_intents.create", "payment_intents.confirm", "refunds.create"})

_BEFORE = frozenset({FaultType.DROP_BEFORE, FaultType.HTTP_500_BEFORE, FaultType.UNKNOWN_CODE})
_AFTER = frozenset(
    {FaultType.DROP_AFTER, FaultType.HTTP_500_AFTER, FaultType.DELAY, FaultType.WRONG_AMOUNT}
)


class Dropped(Exception):
    """Close the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class AfterExecution:
    """The payer who is quicker than the answer, and the one who comes right after it."""

    pay_first: Callable[[Intent], Awaitable[None]]
    consider: Callable[[Intent], None]


@dataclass(slots=True)
class Asked:
    """One request on its way through. `order_no` is what faults know it by."""

    operation: Operation
    object_id: str
    fields: Fields
    expand: tuple[str, ...]
    request_id: str
    key: str | None
    fingerprint: str
    order_no: str = ""
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out. `replayed`: the answer given to the same key before."""

    status: int
    body: str
    intent: Intent | None = None
    replayed: str | None = None


class Api:
    """The ASGI application behind /stripe/v1."""

    def __init__(
        self,
        *,
        tools: Tools,
        operations: Operations,
        intents: IntentDesk,
        refunds: RefundDesk,
        faults: FaultQueue,
        after: AfterExecution,
    ) -> None:
        self._tools = tools
        self._operations = operations
        self._intents = intents
        self._refunds = refunds
        self._faults = faults
        self._after = after
        self._under_way: set[tuple[str, str]] = set()
        self.requests: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request_id = self._tools.ids.new("req")
        touched: list[Intent] = []
        try:
            answer = await self._respond(request, request_id, touched)
            await _response(answer, request, request_id)(scope, receive, send)
        except Dropped:
            await drop_connection(scope, receive)
        finally:
            for intent in touched:
                self._after.consider(intent)

    async def _respond(self, request: Request, request_id: str, touched: list[Intent]) -> Answer:
        try:
            asked = await self._read(request, request_id)
            before = self._take(_BEFORE, asked)
            if FaultType.DROP_BEFORE in before:
                raise Dropped
            if FaultType.HTTP_500_BEFORE in before:
                raise _server_error(before[FaultType.HTTP_500_BEFORE].code)
            asked.account = _authenticate(request, self._tools.accounts)
            _check_version(request)
            return await self._perform(asked, asked.account, before, touched)
        except Problem as problem:
            return Answer(problem.status, json.dumps(problem.body()))

    async def _read(self, request: Request, request_id: str) -> Asked:
        body = await _read_body(request)
        verb = request.method
        path = request.url.path.removeprefix(API_PATH).strip("/")
        operation, object_id = self._operations.find(verb, path)
        self.requests[operation.name] += 1
        tree = parse_form(body if verb == "POST" else request.url.query)
        expand = Fields(tree).texts("expand")
        tree.pop("expand", None)
        key = request.headers.get("idempotency-key") if verb == "POST" else None
        if key is not None and not 0 < len(key) <= _KEY_MAX:
            raise Problem(400, f"Idempotency keys can have 1 to {_KEY_MAX} characters", saved=False)
        fields = Fields(tree)
        return Asked(
            operation=operation,
            object_id=object_id,
            fields=fields,
            expand=expand,
            request_id=request_id,
            key=key,
            fingerprint=_fingerprint(verb, path, tree, expand),
            order_no=self._operations.order_no(object_id, fields),
        )

    async def _perform(
        self, asked: Asked, account: Account, before: Taken, touched: list[Intent]
    ) -> Answer:
        if asked.key is None:
            return await self._perform_once(asked, account, before, touched)
        place = (account.id, asked.key)
        if place in self._under_way:
            raise Problem(
                409,
                "There is currently another in-progress request using this idempotent key (that"
                " probably means you submitted twice, and the other request is still going"
                f" through): {asked.key}. Please try again later.",
                type="idempotency_error",
                code="idempotency_key_in_use",
            )
        saved = self._tools.books.find_answer(account.id, asked.key)
        if saved is not None:
            return await self._replay(saved, asked)
        self._under_way.add(place)
        try:
            return await self._perform_once(asked, account, before, touched)
        finally:
            self._under_way.discard(place)

    async def _perform_once(
        self, asked: Asked, account: Account, before: Taken, touched: list[Intent]
    ) -> Answer:
        strange = before.get(FaultType.UNKNOWN_CODE)
        if strange is not None and not strange.executes:
            code = strange.code or _STRANGE_STATUS
            raise Problem(400, "Something unheard of happened.", code=code, saved=False)
        answer, after = self._execute(asked, account)
        if answer.intent is not None:
            touched.append(answer.intent)
        await self._disturb(answer.intent, after, asked)
        shown = _spoil(json.loads(answer.body), before | after) if before or after else None
        body = answer.body if shown is None else json.dumps(shown)
        return Answer(answer.status, body, answer.intent)

    def _execute(self, asked: Asked, account: Account) -> tuple[Answer, Taken]:
        """Run the operation and save its answer under the key, in one transaction."""
        origin = Origin(request_id=asked.request_id, idempotency_key=asked.key)
        call = Call(account, asked.object_id, asked.fields, origin)
        books = self._tools.books
        try:
            with books.transaction():
                result = asked.operation.run(call)
                self._operations.expansion.apply(result.body, asked.expand)
                answer = Answer(result.status, json.dumps(result.body), result.intent)
                after = self._take(_possible(result), asked)
                self._save(_as_saved(answer, after), asked, account)
        except Problem as problem:
            answer = Answer(problem.status, json.dumps(problem.body()))
            after = self._take(_AFTER - {FaultType.WRONG_AMOUNT}, asked)
            if problem.saved:
                self._save(_as_saved(answer, after), asked, account)
        return answer, after

    def _save(self, answer: Answer, asked: Asked, account: Account) -> None:
        if asked.key is None:
            return
        self._tools.books.save_answer(
            SavedAnswer(
                account_id=account.id,
                key=asked.key,
                fingerprint=asked.fingerprint,
                status=answer.status,
                body=answer.body,
                request_id=asked.request_id,
                made=_made(answer.body, asked.operation.name),
            )
        )

    async def _replay(self, saved: SavedAnswer, asked: Asked) -> Answer:
        if saved.fingerprint != asked.fingerprint:
            raise Problem(
                400,
                "Keys for idempotent requests can only be used with the same parameters they were"
                f" first used with. Try using a key other than '{asked.key}' if you meant to"
                " execute a different request.",
                type="idempotency_error",
            )
        self._count_repeat(saved.made or "")
        after = self._take(_AFTER - {FaultType.WRONG_AMOUNT}, asked)
        await self._disturb(None, after, asked)
        return Answer(saved.status, saved.body, replayed=saved.request_id)

    def _count_repeat(self, made: str) -> None:
        books = self._tools.books
        intent, refund = books.find(Intent, made), books.find(Refund, made)
        with books.transaction():
            if intent is not None:
                self._intents.repeated(intent)
            if refund is not None:
                self._refunds.repeated(refund)

    async def _disturb(self, intent: Intent | None, faults: Taken, asked: Asked) -> None:
        """What goes wrong between executing and answering."""
        if FaultType.CALLBACK_BEFORE_ANSWER in faults and intent is not None:
            await self._after.pay_first(intent)
        if FaultType.DELAY in faults:
            await asyncio.sleep(faults[FaultType.DELAY].seconds or 0)
        if FaultType.DROP_AFTER in faults:
            raise Dropped
        if FaultType.HTTP_500_AFTER in faults:
            raise _server_error(faults[FaultType.HTTP_500_AFTER].code)

    def _take(self, types: frozenset[FaultType], asked: Asked) -> Taken:
        return self._faults.take(
            types, Target.ANSWER, method=asked.operation.name, out_trade_no=asked.order_no
        )


def _possible(result: Result) -> frozenset[FaultType]:
    """The faults that would show on this answer; the others stay in the queue."""
    possible = _AFTER
    if result.intent is not None:
        possible |= {FaultType.CALLBACK_BEFORE_ANSWER}
    if "amount" not in result.body:
        possible -= {FaultType.WRONG_AMOUNT}
    return possible


def _as_saved(answer: Answer, faults: Taken) -> Answer:
    """What a repeat is answered: the same, and that is a 500 if Stripe itself failed at the end.

    Any other status is a proxy's between us and Stripe, who knows nothing of it.
    """
    failed = faults.get(FaultType.HTTP_500_AFTER)
    if failed is None or (failed.code or _ERROR_STATUS) != _ERROR_STATUS:
        return answer
    error = _server_error(_ERROR_STATUS)
    return Answer(error.status, json.dumps(error.body()), answer.intent)


def _made(body: str, operation: str) -> str | None:
    """The intent or refund that an operation made, or tried to pay, when it is one that does."""
    if operation not in _MAKES:
        return None
    shown = json.loads(body)
    made = shown.get("error", {}).get("payment_intent", shown).get("id")
    return str(made) if made else None


def _spoil(shown: Shown, faults: Taken) -> Shown:
    if FaultType.WRONG_AMOUNT in faults:
        shown = one_too_high(shown)
    strange = faults.get(FaultType.UNKNOWN_CODE)
    if strange is not None and "status" in shown:
        shown["status"] = strange.code or _STRANGE_STATUS
    return shown


def _server_error(code: str | None) -> Problem:
    status = int(code or _ERROR_STATUS)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Problem(status, "Request rate limit exceeded.", code="rate_limit")
    if status == HTTPStatus.CONFLICT:
        message = "This object cannot be accessed right now because another request is using it."
        return Problem(status, message, code="lock_timeout")
    return Problem(status, "An unknown error occurred.", type="api_error")


def _authenticate(request: Request, accounts: Accounts) -> Account:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    key = _basic_user(given) if scheme.lower() == "basic" else given.strip()
    if not key:
        message = "You did not provide an API key. Use Authorization: Bearer YOUR_SECRET_KEY."
        raise Problem(401, message, saved=False)
    account = accounts.by_key(key)
    if account is None:
        raise Problem(401, f"Invalid API Key provided: {_masked(key)}", saved=False)
    return account


def _basic_user(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _masked(key: str) -> str:
    return f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > len("sk_test_") + 8 else "*" * len(key)


def _check_version(request: Request) -> None:
    version = request.headers.get("stripe-version", API_VERSION)
    if version != API_VERSION:
        message = f"Invalid Stripe API version: {version}. Here only {API_VERSION} is known."
        raise Problem(400, message, saved=False)


def _fingerprint(verb: str, path: str, tree: Tree, expand: tuple[str, ...]) -> str:
    text = json.dumps([verb, path, tree, expand], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _response(answer: Answer, request: Request, request_id: str) -> Response:
    headers = {"request-id": request_id, "stripe-version": API_VERSION}
    key = request.headers.get("idempotency-key")
    if key is not None:
        headers["idempotency-key"] = key[:_KEY_MAX]
    if answer.replayed is not None:
        headers |= {"idempotent-replayed": "true", "original-request": answer.replayed}
    return Response(answer.body, answer.status, headers, "application/json")


async def _read_body(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_MAX_BYTES:
            raise Problem(413, "Request is too large", saved=False)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "Invalid UTF-8 in the request", saved=False) from None
