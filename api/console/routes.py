"""Every page of the console."""

from fastapi import APIRouter

from api.console import (
    accounts,
    approvals,
    apps,
    balances,
    changes,
    channels,
    discrepancies,
    keys,
    login,
    merchants,
    notifications,
    payments,
    people,
    queues,
    reconciliation,
    start,
)

ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    start.router,
    payments.router,
    queues.router,
    approvals.router,
    notifications.router,
    channels.router,
    reconciliation.router,
    discrepancies.router,
    balances.router,
    apps.router,
    merchants.router,
    accounts.router,
    keys.router,
    people.router,
    changes.router,
)
