"""People who work in the console: let in by the admin, logged in through the real form."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from playwright.async_api import Browser, Page

from devstack.api_client import Access, ApiClient
from models.merchant import Role
from tests.end_to_end.browser.chromium import person

PASSWORD = "a good long password"


@dataclass(frozen=True)
class Colleague:
    """An operator, and what a browser keeps of their login."""

    id: str
    login: str
    name: str
    storage_state: Any


async def colleague(browser: Browser, admin: Access, role: Role, name: str) -> Colleague:
    """Lets somebody in, as the admin does, and logs them in for the first time, as they do."""
    login = f"{name.split(maxsplit=1)[0].lower()}-{uuid4().hex[:8]}"
    async with ApiClient(admin.url, admin.key) as api:
        made = await api.post("/v1/operators", {"login": login, "name": name, "role": role.value})
    async with person(browser) as newcomer:
        page = await newcomer.open(f"{admin.url}/console/")
        await log_in(page, login, made["password"])
        await page.get_by_label("Present password").fill(made["password"])
        await page.get_by_label("New password at least").fill(PASSWORD)
        await page.get_by_label("New password again").fill(PASSWORD)
        await page.get_by_role("button", name="Change it").click()
        await page.wait_for_url("**/console/")
        state = await newcomer.context.storage_state()
    return Colleague(id=made["id"], login=login, name=name, storage_state=state)


async def log_in(page: Page, login: str, password: str) -> None:
    await page.get_by_label("Login").fill(login)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()
