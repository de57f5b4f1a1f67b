"""Every page of the console."""

from fastapi import APIRouter

from api.console import login

ROUTERS: tuple[APIRouter, ...] = (login.router,)
