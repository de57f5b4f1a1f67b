"""Builds the API. A server runs `create_app`; tests run `build_app`, with parts given."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from api import (
    account_changes,
    app_changes,
    apps,
    callbacks,
    changes,
    channel_accounts,
    channel_health,
    checks,
    codec,
    discrepancies,
    events,
    health,
    keys,
    ledger_accounts,
    merchants,
    notification_endpoints,
    operators,
    payments,
    queues,
    received,
    reconciliation_calendar,
    reconciliations,
    reference,
    refunds,
    reports,
    static,
    statistics,
)
from api.checkout import router as checkout
from api.checkout.router import NoDesk, no_desk_page
from api.console import routes as console_routes
from api.console.errors import answer_errors
from api.dependencies import ApiDependencies, ApiOptions
from api.errors import translate_errors
from api.middleware import RequestContext
from channels.registry import open_registry
from engine.client import TemporalConnection, connect
from engine.encryption import PayloadEncryption
from observability import checkpoints
from observability.checkpoint_seams import client_interceptors
from observability.logs import configure_logging
from settings import Settings, load_settings
from storage.database import Database
from storage.statement_files import StatementFiles
from storage.vault import Vault

_DESCRIPTION = (
    "One API for every way to be paid. Amounts are whole minor units with an ISO 4217 code. Send "
    "`Authorization: Bearer pk_…`. The same order number with the same body is the same payment, "
    "for ever; anything that is not known in time is answered 202, never guessed."
)
ROUTERS = (
    payments.router,
    refunds.router,
    queues.router,
    received.router,
    events.router,
    merchants.router,
    channel_health.router,  # before the one that takes any name for an id
    channel_accounts.router,
    account_changes.router,
    notification_endpoints.router,
    apps.router,
    app_changes.router,
    keys.router,
    changes.router,
    reconciliation_calendar.router,  # before the one that takes any name for an id
    reconciliations.router,
    discrepancies.router,
    checks.router,
    reports.router,
    ledger_accounts.router,
    statistics.router,
    operators.router,
    static.router,
    checkout.router,
    *console_routes.ROUTERS,
    callbacks.router,
    codec.router,
    health.router,
    reference.router,
)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_app(dependencies: ApiDependencies) -> FastAPI:
    """The API over parts that live longer than it does."""
    app = _assemble(None)
    app.state.dependencies = dependencies
    return app


def create_app() -> FastAPI:
    """The API of a real run, from the environment; its parts are opened and closed with it.

    Starts without Temporal and without PostgreSQL: `/readyz` says when they are there.
    """
    settings = load_settings()
    configure_logging("api", level=settings.log_level, json_lines=settings.log_json)
    checkpoints.install(settings.checkpoints_dir, "api")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _open_dependencies(settings) as dependencies:
            app.state.dependencies = dependencies
            async with dependencies.key_usage.written_by_the_way(dependencies.database):
                yield

    return _assemble(lifespan)


def _assemble(lifespan: Lifespan | None) -> FastAPI:
    app = FastAPI(
        title="Paycenter",
        description=_DESCRIPTION,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    translate_errors(app)
    answer_errors(app)
    app.add_exception_handler(NoDesk, no_desk_page)
    app.add_middleware(RequestContext)
    return app


@asynccontextmanager
async def _open_dependencies(settings: Settings) -> AsyncIterator[ApiDependencies]:
    payload_keys = settings.key_bytes("payload_keys")
    vault_keys = settings.key_bytes("vault_keys")
    client = await connect(_connection_of(settings), lazy=True, interceptors=client_interceptors())
    database = Database(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        application_name="paycenter-api",
    )
    try:
        async with open_registry(
            urls=settings.channel_urls,
            connect_timeout=settings.channel_connect_timeout,
            read_timeout=settings.channel_read_timeout,
        ) as channels:
            yield ApiDependencies(
                database=database,
                vault=Vault(vault_keys, active=next(iter(vault_keys))),
                client=client,
                channels=channels,
                encryption=PayloadEncryption(payload_keys, active=next(iter(payload_keys))),
                statements=StatementFiles(settings.statement_dir),
                options=_options(settings),
            )
    finally:
        await database.close()


def _options(settings: Settings) -> ApiOptions:
    return ApiOptions(
        initiation_timeout=settings.initiation_timeout,
        payment_expiry=settings.payment_expiry,
        public_url=settings.public_url,
        session_idle=settings.session_idle,
        session_lifetime=settings.session_lifetime,
        temporal_ui_url=settings.temporal_ui_url,
        temporal_namespace=settings.temporal_namespace,
        allow_private_webhooks=settings.allow_private_webhooks,
        codec_token=settings.codec_token.get_secret_value() if settings.codec_token else None,
    )


def _connection_of(settings: Settings) -> TemporalConnection:
    return TemporalConnection(
        address=settings.temporal_address,
        namespace=settings.temporal_namespace,
        payload_keys=settings.key_bytes("payload_keys"),
        tls=settings.temporal_tls,
        tls_ca_file=settings.temporal_tls_ca_file,
        tls_cert_file=settings.temporal_tls_cert_file,
        tls_key_file=settings.temporal_tls_key_file,
        api_key=(
            settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None
        ),
    )
