"""The composition root of the workers: builds everything once, and runs the roles it is told to.

Roles: `payments` (workflows and their local steps), `channels` (one queue for each channel),
`notifications`, `reconciliation`, `sweeper`. One process may have all; a large house gives each its
own.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import uvloop
from prometheus_client import start_http_server
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import (
    PollerBehaviorSimpleMaximum,
    Worker,
    WorkerDeploymentConfig,
)

from activities.accounts import AccountReader
from activities.channel import ChannelActivities
from activities.check import CheckActivities
from activities.errors import ActivityErrors
from activities.first_delivery import FirstDelivery
from activities.ledger import LedgerActivities
from activities.notifications import NotificationActivities
from activities.preparation import PreparationActivities
from activities.reconciliation import ReconciliationActivities
from activities.records import RecordActivities
from activities.refunds import RefundActivities
from activities.repairs import RepairActivities
from activities.webhook import WebhookSender
from api.reconciliation_dispatch import evidence_delivery, open_runs, run_nudge
from api.schedules import Schedules
from api.sweepers import Sweeper
from channels.http import ChannelHttp
from channels.registry import ChannelRegistry, build_registry
from engine.client import TemporalConnection, connect
from engine.sandbox import workflow_runner
from observability import checkpoints, metrics
from observability.checkpoint_seams import activity_interceptors, client_interceptors
from observability.logs import configure_logging, logger
from settings import Settings, SettingsError, load_settings
from storage.database import Database
from storage.statement_files import StatementFiles
from storage.vault import Vault
from workflows.check import CheckWorkflow
from workflows.late_success import LateSuccessWorkflow
from workflows.notification import NotificationWorkflow
from workflows.payment import PaymentWorkflow
from workflows.queues import NOTIFICATIONS, PAYMENTS, RECONCILIATION, channel_queue
from workflows.reconciliation import ReconciliationWorkflow
from workflows.reconciliation_schedule import ScheduledReconciliationWorkflow
from workflows.refund import RefundWorkflow
from workflows.repair import RepairWorkflow

_log = logger(__name__)

# The default of 5 pollers serves new workflows with one; bursts then wait in line.
_POLLERS = PollerBehaviorSimpleMaximum(20)
# Longer than the longest channel call, so that a deploy never cuts one off.
_GRACE = timedelta(seconds=25)
# Calls under way at one channel; the bulkhead's size.
_CHANNEL_SLOTS = 50
# Steps of reconciliations under way in one process; comparing keeps PostgreSQL busy.
_RECONCILIATION_SLOTS = 8
_CONNECT_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Parts:
    """What the roles share."""

    client: Client
    database: Database
    vault: Vault
    registry: ChannelRegistry
    sender: WebhookSender
    settings: Settings


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run all roles until `stop` is set; what is under way is finished first."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(_parts(settings))
        first_delivery = FirstDelivery(parts.database, parts.vault, parts.sender)
        stack.push_async_callback(first_delivery.drain)
        for worker in build_workers(parts, first_delivery):
            await stack.enter_async_context(worker)
        if "sweeper" in settings.worker_roles:
            sweeper = asyncio.create_task(_sweeper(parts).run())
            stack.callback(sweeper.cancel)
        if "reconciliation" in settings.worker_roles:
            schedules = asyncio.create_task(_schedules(parts).run())
            stack.callback(schedules.cancel)
        _log.info("worker ready", roles=list(settings.worker_roles))
        await stop.wait()
        _log.info("worker stopping")


@asynccontextmanager
async def _parts(settings: Settings) -> AsyncIterator[Parts]:
    client = await _connect(settings)
    database = Database(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        application_name="paycenter-worker",
    )
    keys = settings.key_bytes("vault_keys")
    async with (
        ChannelHttp(
            connect_timeout=settings.channel_connect_timeout,
            read_timeout=settings.channel_read_timeout,
        ) as http,
        WebhookSender(allow_private=settings.allow_private_webhooks) as sender,
    ):
        yield Parts(
            client=client,
            database=database,
            vault=Vault(keys, active=next(iter(keys))),
            registry=build_registry(
                http,
                urls=settings.channel_urls,
                clock_margin=settings.channel_clock_margin,
            ),
            sender=sender,
            settings=settings,
        )
    await database.close()


def build_workers(parts: Parts, first_delivery: FirstDelivery) -> list[Worker]:
    """The workers of all roles in the settings, not started yet."""
    roles = parts.settings.worker_roles
    workers: list[Worker] = []
    if "payments" in roles:
        workers.append(_payments_worker(parts, first_delivery))
    if "channels" in roles:
        accounts = AccountReader(parts.database, parts.vault, parts.registry)
        calls = ChannelActivities(parts.database, accounts, parts.registry)
        workers += [_channel_worker(parts, calls, name) for name in parts.registry.names()]
    if "notifications" in roles:
        workers.append(_notifications_worker(parts))
    if "reconciliation" in roles:
        workers.append(_reconciliation_worker(parts))
    return workers


def _payments_worker(parts: Parts, first_delivery: FirstDelivery) -> Worker:
    preparation = PreparationActivities(
        parts.database,
        parts.registry,
        callback_url=parts.settings.public_url,
        query_after=parts.settings.query_after,
        find_out_at_till=parts.settings.find_out_at_till,
    )
    records = RecordActivities(parts.database)
    ledger = LedgerActivities(parts.database, first_delivery)
    refunds = RefundActivities(parts.database, first_delivery)
    return Worker(
        parts.client,
        task_queue=PAYMENTS,
        workflows=[PaymentWorkflow, LateSuccessWorkflow, RefundWorkflow],
        activities=[
            preparation.prepare_attempt,
            preparation.open_cash_desk,
            records.record_move,
            records.read_late_case,
            ledger.settle,
            ledger.settle_late,
            ledger.dismiss_late,
            refunds.book_refund,
            refunds.order_late_refund,
        ],
        workflow_runner=workflow_runner(sandboxed=parts.settings.workflow_sandbox),
        interceptors=[ActivityErrors(), *activity_interceptors()],
        workflow_task_poller_behavior=_POLLERS,
        nonsticky_to_sticky_poll_ratio=0.5,
        max_cached_workflows=5000,
        max_concurrent_workflow_tasks=100,
        graceful_shutdown_timeout=_GRACE,
        deployment_config=_deployment(parts.settings),
    )


def _channel_worker(parts: Parts, calls: ChannelActivities, channel: str) -> Worker:
    return Worker(
        parts.client,
        task_queue=channel_queue(channel),
        activities=[
            calls.pay,
            calls.query,
            calls.close,
            calls.capture,
            calls.void,
            calls.refund,
            calls.query_refund,
        ],
        interceptors=[ActivityErrors(), *activity_interceptors()],
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(10),
        max_concurrent_activities=_CHANNEL_SLOTS,
        graceful_shutdown_timeout=_GRACE,
    )


def _notifications_worker(parts: Parts) -> Worker:
    deliveries = NotificationActivities(parts.database, parts.vault, parts.sender)
    return Worker(
        parts.client,
        task_queue=NOTIFICATIONS,
        workflows=[NotificationWorkflow],
        activities=[deliveries.deliver_due],
        workflow_runner=workflow_runner(sandboxed=parts.settings.workflow_sandbox),
        interceptors=[ActivityErrors(), *activity_interceptors()],
        graceful_shutdown_timeout=_GRACE,
    )


def _reconciliation_worker(parts: Parts) -> Worker:
    accounts = AccountReader(parts.database, parts.vault, parts.registry)
    files = StatementFiles(parts.settings.statement_dir)
    days = ReconciliationActivities(parts.database, accounts, parts.registry, files)
    repairs = RepairActivities(parts.database, evidence_delivery(parts.client, parts.database))
    around = CheckActivities(
        parts.database,
        accounts,
        parts.registry,
        open_runs(parts.client),
        run_nudge(parts.client, parts.database),
    )
    return Worker(
        parts.client,
        task_queue=RECONCILIATION,
        workflows=[
            ReconciliationWorkflow,
            ScheduledReconciliationWorkflow,
            RepairWorkflow,
            CheckWorkflow,
        ],
        activities=[
            days.open_day,
            days.begin,
            days.fetch_statement,
            days.compare,
            days.book_channel_fees,
            days.automatic_repairs,
            days.finish,
            days.fail,
            repairs.hand_over,
            repairs.await_booked,
            repairs.record_decision,
            repairs.carry_out,
            around.look_around,
        ],
        workflow_runner=workflow_runner(sandboxed=parts.settings.workflow_sandbox),
        interceptors=[ActivityErrors(), *activity_interceptors()],
        max_concurrent_activities=_RECONCILIATION_SLOTS,
        graceful_shutdown_timeout=_GRACE,
    )


def _sweeper(parts: Parts) -> Sweeper:
    return Sweeper(database=parts.database, client=parts.client)


def _schedules(parts: Parts) -> Schedules:
    return Schedules(
        database=parts.database,
        client=parts.client,
        registry=parts.registry,
        check_every=parts.settings.check_every,
    )


def _deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """Pin each payment to the version it began on, once a build id says which that is."""
    if not settings.worker_build_id:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.worker_deployment, settings.worker_build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


def connection_of(settings: Settings, *, metrics_address: str | None = None) -> TemporalConnection:
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
        metrics_address=metrics_address,
    )


async def _connect(settings: Settings) -> Client:
    """Connect to Temporal, waiting for it as long as it takes: it may start after us."""
    port = settings.temporal_metrics_port
    connection = connection_of(
        settings, metrics_address=f"{settings.metrics_host}:{port}" if port else None
    )
    while True:
        try:
            return await connect(connection, interceptors=client_interceptors())
        except RuntimeError as error:
            _log.warning("Temporal is not there yet", error=str(error))
            await asyncio.sleep(_CONNECT_PAUSE_SECONDS)


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.metrics_host, registry=metrics.REGISTRY)
    await run(settings, stop)


def main() -> int:
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging("worker", level=settings.log_level, json_lines=settings.log_json)
    checkpoints.install(settings.checkpoints_dir, "worker")
    uvloop.run(_main(settings))
    return 0


if __name__ == "__main__":
    # Past the interpreter's own shutdown: before Python 3.14 a thread of the Temporal SDK that is
    # still at work can abort it, and a clean stop would look like a crash.
    _status = main()
    logging.shutdown()
    os._exit(_status)
