"""Who gets into the console, and what keeps everybody else out."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi.routing import APIRoute

from api.console.routes import ROUTERS
from api.dependencies import CALLER
from api.passwords import Passwords
from models.merchant import Role
from storage.operators import find_credential
from tests.api.console import ORIGIN, OWN_PASSWORD, Page, Person, browser, logged_in, newcomer
from tests.api.world import World

CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
async def house(world: World) -> AsyncIterator[World]:
    async with world.with_(passwords=CHEAP) as cheap:
        yield cheap


async def test_a_first_login_opens_nothing_before_an_own_password_is_set(house: World) -> None:
    person = await newcomer(house, Role.OPS)

    entered = await person.log_in()
    blocked = await person.http.get("/console/sessions")
    form = await person.get("/console/password")
    changed = await person.post(
        "/console/password",
        csrf=form.csrf,
        current=person.password,
        new=OWN_PASSWORD,
        repeated=OWN_PASSWORD,
    )

    assert entered.headers["location"] == "/console/password"
    assert (blocked.status_code, blocked.headers["location"]) == (303, "/console/password")
    assert changed.status_code == 303
    assert (await person.http.get("/console/sessions")).status_code == 200
    assert (await person.log_in("wrong password here")).status_code == 401


@pytest.mark.parametrize(
    ("new", "repeated", "says"),
    [
        ("short", "short", "Use 12 to 200 characters."),
        ("a good long password", "another one, just as long", "are not the same"),
    ],
)
async def test_a_poor_password_is_refused(house: World, new: str, repeated: str, says: str) -> None:
    person = await newcomer(house, Role.OPS)
    await person.log_in()
    form = await person.get("/console/password")

    answer = await person.post(
        "/console/password", csrf=form.csrf, current=person.password, new=new, repeated=repeated
    )

    assert answer.status_code == 422
    assert says in Page(answer).text


async def test_a_one_time_password_does_not_become_the_persons_own(house: World) -> None:
    person = await newcomer(house, Role.OPS)
    await person.log_in()
    form = await person.get("/console/password")
    same = {"current": person.password, "new": person.password, "repeated": person.password}

    answer = await person.post("/console/password", csrf=form.csrf, **same)

    assert answer.status_code == 422
    assert "another password than the present one" in Page(answer).text


@pytest.mark.parametrize("login", ["a\0b", "\0", "x" * 1000, "\ufffd"])
async def test_a_login_that_cannot_be_one_is_a_wrong_one(house: World, login: str) -> None:
    nobody = Person(browser(house), login, "a good long password")

    assert (await nobody.log_in()).status_code == 401


async def test_a_form_of_a_stranger_is_not_read_to_its_end(house: World) -> None:
    answer = await browser(house).post("/console/login", content=b"a" * 20_000)

    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


async def test_a_login_brings_the_hash_to_todays_parameters_and_ends_no_session(
    house: World,
) -> None:
    person = await logged_in(house, Role.OPS)
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))

    async with house.with_(passwords=dearer) as today:
        elsewhere = Person(browser(today), person.login, person.password)
        entered = await elsewhere.log_in()
    async with house.deps.database.statement("find credential") as connection:
        kept = await find_credential(connection, person.login)

    assert entered.status_code == 303
    assert kept is not None
    assert not dearer.is_outdated(kept.password_hash)
    assert (await person.http.get("/console/sessions")).status_code == 200


async def test_wrong_and_unknown_and_shut_out_are_told_apart_by_nobody(house: World) -> None:
    known, shut_out = await logged_in(house, Role.OPS), await logged_in(house, Role.OPS)
    await house.call(
        "POST", f"/v1/operators/{shut_out.id}/disable", key=await house.admin(), body={}
    )
    nobody = Person(browser(house), "nobody-here", "a good long password")

    answers = [
        await known.log_in("not the password"),
        await nobody.log_in(),
        await shut_out.log_in(),
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len({Page(answer).text for answer in answers}) == 1


async def test_a_person_who_is_shut_out_is_out_at_once(house: World) -> None:
    person = await logged_in(house, Role.FINANCE)

    await house.call("POST", f"/v1/operators/{person.id}/disable", key=await house.admin(), body={})
    answer = await person.http.get("/console/sessions")

    assert answer.headers["location"] == "/console/login?next=/console/sessions"


async def test_after_five_wrong_passwords_even_the_right_one_has_to_wait(house: World) -> None:
    person = await logged_in(house, Role.OPS)

    wrong = [(await person.log_in("not the password")).status_code for _ in range(6)]
    held_up = await person.log_in()
    later = house.deps.clock() + timedelta(seconds=3)
    async with house.with_(clock=lambda: later) as afterwards:
        person.http = browser(afterwards)
        again = await person.log_in()

    assert wrong == [401] * 6
    assert held_up.status_code == 429
    assert int(held_up.headers["retry-after"]) <= 2
    assert again.status_code == 303


async def test_a_login_gives_a_new_session_and_ends_the_one_the_browser_came_with(
    house: World,
) -> None:
    person = await logged_in(house, Role.OPS)
    planted = person.http.cookies["paycenter_session"]

    await person.log_in()
    other = browser(house)
    other.cookies.set("paycenter_session", planted, path="/console")
    answer = await other.get("/console/sessions")

    assert person.http.cookies["paycenter_session"] != planted
    assert answer.status_code == 303


async def test_the_cookie_is_for_pages_of_the_console_alone(house: World) -> None:
    person = await newcomer(house, Role.OPS)

    plain = (await person.log_in()).headers["set-cookie"]
    async with house.with_options(public_url="https://pay.example") as public:
        person.http = browser(public)
        secure = (await person.log_in()).headers["set-cookie"]

    for flag in ("HttpOnly", "Path=/console", "SameSite=lax"):
        assert flag in plain
        assert flag in secure
    assert "Secure" in secure


@pytest.mark.parametrize(
    ("later", "clicks"),
    [(timedelta(minutes=31), False), (timedelta(hours=12, minutes=1), True)],
)
async def test_a_session_ends_after_a_while(
    house: World, later: timedelta, *, clicks: bool
) -> None:
    person = await logged_in(house, Role.OPS)
    began = house.deps.clock()
    steps = range(20, 12 * 60, 20) if clicks else ()
    cookies = person.http.cookies

    for minutes in steps:
        moment = began + timedelta(minutes=minutes)
        async with house.with_(clock=lambda moment=moment: moment) as then:
            kept = browser(then)
            kept.cookies = cookies
            assert (await kept.get("/console/sessions")).status_code == 200
    async with house.with_(clock=lambda: began + later) as then:
        late = browser(then)
        late.cookies = cookies
        answer = await late.get("/console/sessions")

    assert answer.status_code == 303


async def test_logging_out_ends_the_session_for_whoever_has_the_cookie(house: World) -> None:
    person = await logged_in(house, Role.OPS)
    stolen = person.http.cookies["paycenter_session"]

    await person.post("/console/logout")
    thief = browser(house)
    thief.cookies.set("paycenter_session", stolen, path="/console")

    assert (await thief.get("/console/sessions")).status_code == 303


async def test_a_changed_password_ends_all_other_sessions(house: World) -> None:
    person = await logged_in(house, Role.OPS)
    other = Person(browser(house), person.login, person.password)
    await other.log_in()
    form = await person.get("/console/password")

    await person.post(
        "/console/password",
        csrf=form.csrf,
        current=person.password,
        new="another good password",
        repeated="another good password",
    )

    assert (await other.http.get("/console/sessions")).status_code == 303
    assert (await person.http.get("/console/sessions")).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/console/payments?status=review", "/console/payments?status=review"),
        ("https://evil.example/", "/console/"),
        ("//evil.example/console/", "/console/"),
        ("/console/\\evil.example", "/console/"),
        ("/console/../v1/payments", "/console/"),
        ("/console/\r\nset-cookie: a=b", "/console/"),
        ("javascript:alert(1)", "/console/"),
        ("/v1/payments", "/console/"),
        ("", "/console/"),
    ],
)
async def test_a_login_leads_to_a_page_of_the_console_and_nowhere_else(
    house: World, wanted: str, led_to: str
) -> None:
    person = await logged_in(house, Role.OPS)

    answer = await person.log_in(next=wanted)

    assert answer.headers["location"] == led_to


async def test_a_form_without_the_sessions_token_does_nothing(house: World) -> None:
    person = await logged_in(house, Role.ADMIN)
    other = await logged_in(house, Role.ADMIN)
    theirs = (await other.get("/console/sessions")).csrf
    posts = [
        route.path
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ())
    ]

    for path in posts:
        if path == "/console/login":
            continue
        for token in ("", "x", theirs):
            answer = await person.post(path, csrf=token)
            assert answer.status_code == 403, path
    assert (await person.http.get("/console/sessions")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
        {"origin": ORIGIN, "sec-fetch-site": "same-site"},
    ],
)
async def test_a_form_from_another_place_does_nothing(
    house: World, headers: dict[str, str]
) -> None:
    person = await logged_in(house, Role.OPS)
    token = (await person.get("/console/sessions")).csrf

    answer = await person.http.post("/console/logout", data={"csrf_token": token}, headers=headers)
    login = await browser(house).post(
        "/console/login",
        data={"login": person.login, "password": person.password},
        headers=headers,
    )

    assert answer.status_code == 403
    assert login.status_code == 403
    assert (await person.http.get("/console/sessions")).status_code == 200


async def test_every_page_of_the_console_wants_a_login_and_has_safe_headers(house: World) -> None:
    nobody = browser(house)
    pages = {
        route.path
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }

    for path in pages - {"/console/login"}:
        answer = await nobody.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/console/login"), path
        _assert_safe(answer)
    _assert_safe(await nobody.get("/console/login"))


def _assert_safe(answer: httpx.Response) -> None:
    policy = answer.headers["content-security-policy"]
    for directive in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert directive in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_no_client_can_say_that_it_is_the_console(house: World) -> None:
    answer = await house.http.get(
        "/v1/payments", headers={CALLER: "admin", "x-paycenter-caller": "admin"}
    )

    assert answer.status_code == 401


@pytest.mark.parametrize("role", [Role.OPS, Role.FINANCE])
async def test_only_an_admin_manages_people(house: World, role: Role) -> None:
    key = await house.key(role)

    listed = await house.call("GET", "/v1/operators", key=key)
    made = await house.call(
        "POST",
        "/v1/operators",
        key=key,
        body={"login": "mallory", "name": "Mallory", "role": "admin"},
    )

    assert (listed.status_code, made.status_code) == (403, 403)


async def test_a_login_is_one_persons(house: World) -> None:
    person = await newcomer(house, Role.OPS)

    second = await house.call(
        "POST",
        "/v1/operators",
        key=await house.admin(),
        body={"login": person.login, "name": "Somebody else", "role": "ops"},
    )

    assert second.status_code == 409
    assert second.json()["code"] == "login-taken"


async def test_a_reset_password_ends_the_sessions_and_opens_one_login(house: World) -> None:
    person = await logged_in(house, Role.OPS)

    answer = await house.call(
        "POST", f"/v1/operators/{person.id}/reset-password", key=await house.admin(), body={}
    )
    ended = await person.http.get("/console/sessions")
    again = await person.log_in(answer.json()["password"])

    assert ended.status_code == 303
    assert again.headers["location"] == "/console/password"


async def test_what_a_person_types_is_shown_as_text(house: World) -> None:
    nobody = browser(house)

    answer = await nobody.get("/console/login", params={"next": '/console/"><script>alert(1)'})

    assert "<script>" not in answer.text
