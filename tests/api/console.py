"""A person in front of the console: logs in through the real form, and reads pages as they are."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Self
from uuid import uuid4

import httpx

from models.merchant import Role
from tests.api.world import World

OWN_PASSWORD = "a good long password"
ORIGIN = "http://api.example"


@dataclass
class Element:
    """One element of a page with the text in it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


class Page(HTMLParser):
    """A page's elements in the order in which they begin, each with all the text inside it."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.status = answer.status_code
        self.headers = answer.headers
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in {"input", "meta", "link", "br", "img", "hr"}:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return [
            element
            for element in self.elements
            if element.tag == tag and attributes.items() <= element.attributes.items()
        ]

    def texts(self, tag: str, **attributes: str) -> list[str]:
        return [" ".join(element.text.split()) for element in self.all(tag, **attributes)]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of <{tag} {attributes}>"
        return found[0]

    @property
    def text(self) -> str:
        return " ".join(self.one("body").text.split())

    @property
    def csrf(self) -> str:
        return self.all("input", name="csrf_token")[0].attributes["value"]


@dataclass
class Person:
    """Somebody with a browser."""

    http: httpx.AsyncClient
    login: str = ""
    password: str = field(default="", repr=False)
    id: str = ""

    async def get(self, path: str, **query: Any) -> Page:
        return Page(await self.http.get(path, params=query))

    async def post(self, path: str, /, *, csrf: str | None = None, **fields: Any) -> httpx.Response:
        """Send a form, with the token of the session's own pages unless another is given."""
        token = (await self.get("/console/sessions")).csrf if csrf is None else csrf
        return await self.http.post(
            path, data={"csrf_token": token} | fields, headers={"origin": ORIGIN}
        )

    async def log_in(self, password: str | None = None, **fields: str) -> httpx.Response:
        sent = {"login": self.login, "password": password or self.password} | fields
        return await self.http.post("/console/login", data=sent, headers={"origin": ORIGIN})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.http.aclose()


def browser(world: World) -> httpx.AsyncClient:
    """A browser that knows nobody yet."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(world.app), base_url=ORIGIN, timeout=60)


async def newcomer(world: World, role: Role) -> Person:
    """A person who was let in by the admin, and did not log in yet."""
    login = f"p-{uuid4().hex[:12]}"
    made = await world.call(
        "POST",
        "/v1/operators",
        key=await world.admin(),
        body={"login": login, "name": f"Person {login}", "role": role.value},
    )
    assert made.status_code == 201, made.text
    return Person(browser(world), login, made.json()["password"], made.json()["id"])


async def logged_in(world: World, role: Role) -> Person:
    """A person who has logged in and chosen an own password."""
    person = await newcomer(world, role)
    await person.log_in()
    form = await person.get("/console/password")
    fields = {"current": person.password, "new": OWN_PASSWORD, "repeated": OWN_PASSWORD}
    changed = await person.post("/console/password", csrf=form.csrf, **fields)
    assert changed.status_code == 303, changed.text
    person.password = OWN_PASSWORD
    return person
