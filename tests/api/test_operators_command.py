"""`paycenter operators` against a real server: how the first person gets into the console."""

import asyncio
import json

from typer.testing import CliRunner

from devstack.operators_command import operators
from tests.api.console import Person, browser
from tests.api.world import World


async def test_the_first_person_is_made_with_the_admin_key_and_can_be_shut_out(
    world: World, address: str
) -> None:
    access = ["--url", address, "--key", await world.admin()]

    async def say(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, operators, [*access, *words])
        return result.exit_code, result.output

    words = ("create", "kim.first", "--name", "Kim", "--role", "admin")
    _, made = await say(*words, "--json")
    kim = json.loads(made)
    entered = await Person(browser(world), "kim.first", kim["password"]).log_in()
    again, refusal = await say(*words)
    _, listed = await say("list", "--json", "--limit", "100")
    _, reset = await say("reset-password", kim["id"])
    _, disabled = await say("disable", kim["id"])

    assert entered.headers["location"] == "/console/password"
    assert (again, "login-taken" in refusal) == (1, True)
    assert "kim.first" in {one["login"] for one in json.loads(listed)["items"]}
    assert "password for the first login: " in reset
    assert "shut out" in disabled
    assert kim["password"] not in listed + reset + disabled
