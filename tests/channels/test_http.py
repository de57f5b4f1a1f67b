import asyncio
import socket
from datetime import timedelta

import pytest

from channels.http import ChannelHttp, NoAnswer, NotSent, Reply
from tests.channels.faulty_server import (
    Behaviour,
    FaultyServer,
    drips,
    hangs_up,
    is_silent,
    replies,
    resets,
)


async def test_an_answer_comes_back_as_the_bytes_that_were_sent(
    http: ChannelHttp, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(b"\xff\x00{}", status=418)

    result = await http.post_form(gateway.url, query={"a": "1 +&"}, form={"b": "咖啡"})

    assert isinstance(result, Reply)
    assert (result.status, result.body) == (418, b"\xff\x00{}")
    assert gateway.requests == [{"a": "1 +&", "b": "咖啡"}]
    assert "content-type: application/x-www-form-urlencoded;charset=utf-8" in (
        gateway.heads[0].lower()
    )


async def test_a_refused_connection_is_not_sent(http: ChannelHttp) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"

        result = await http.post_form(url, query={}, form={})

    assert isinstance(result, NotSent)


async def test_a_name_that_does_not_resolve_is_not_sent(http: ChannelHttp) -> None:
    result = await http.post_form("http://no-such-host.invalid/", query={}, form={})

    assert isinstance(result, NotSent)


async def test_a_failed_tls_handshake_is_not_sent(http: ChannelHttp, gateway: FaultyServer) -> None:
    url = gateway.url.replace("http://", "https://")

    result = await http.post_form(url, query={}, form={})

    assert isinstance(result, NotSent)
    assert gateway.requests == []


async def test_no_free_connection_in_time_is_not_sent(gateway: FaultyServer) -> None:
    gateway.behaviour = is_silent
    async with ChannelHttp(
        connect_timeout=timedelta(seconds=0.1),
        read_timeout=timedelta(seconds=5),
        connections_max=1,
    ) as http:
        first = asyncio.create_task(http.post_form(gateway.url, query={}, form={}))
        await gateway.received.wait()

        second = await http.post_form(gateway.url, query={}, form={})

        gateway.stopping.set()
        await first
    assert isinstance(second, NotSent)
    assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(resets, id="reset after the request"),
        pytest.param(hangs_up, id="closed without a word"),
        pytest.param(is_silent, id="silence"),
        pytest.param(replies(b'{"a":', announced=100), id="cut short"),
    ],
)
async def test_anything_after_the_request_went_out_is_no_answer(
    http: ChannelHttp, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    gateway.behaviour = behaviour

    result = await http.post_form(gateway.url, query={}, form={"a": "1"})

    assert isinstance(result, NoAnswer)
    assert gateway.requests == [{"a": "1"}]


async def test_an_answer_that_drips_ends_at_the_total_deadline(gateway: FaultyServer) -> None:
    gateway.behaviour = drips
    async with ChannelHttp(
        connect_timeout=timedelta(seconds=1),
        read_timeout=timedelta(seconds=5),
        total_timeout=timedelta(seconds=0.2),
    ) as http:
        result = await http.post_form(gateway.url, query={}, form={})

    assert isinstance(result, NoAnswer)
    assert result.duration_ms < 2_000


async def test_an_endless_answer_is_no_answer(gateway: FaultyServer) -> None:
    gateway.behaviour = replies(b"x" * 2_000)
    async with ChannelHttp(
        connect_timeout=timedelta(seconds=1),
        read_timeout=timedelta(seconds=1),
        body_max_bytes=1_000,
    ) as http:
        result = await http.post_form(gateway.url, query={}, form={})

    assert isinstance(result, NoAnswer)
    assert "longer than 1000 bytes" in result.detail


async def test_a_redirect_is_an_answer_and_is_not_followed(
    http: ChannelHttp, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(b"", status=302, headers="Location: /elsewhere\r\n")

    result = await http.post_form(gateway.url, query={}, form={})

    assert isinstance(result, Reply)
    assert result.status == 302
    assert len(gateway.requests) == 1


async def test_cookies_are_not_carried_from_one_account_to_the_next(
    http: ChannelHttp, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(b"", headers="Set-Cookie: session=1\r\n")

    await http.post_form(gateway.url, query={}, form={})
    await http.post_form(gateway.url, query={}, form={})

    assert "cookie" not in gateway.heads[1].lower()


async def test_a_file_is_handed_over_as_it_comes(http: ChannelHttp, gateway: FaultyServer) -> None:
    gateway.behaviour = replies(b"PK\x00\xff" * 50_000)
    parts: list[bytes] = []

    result = await http.download(
        f"{gateway.url}?a=%2B", sink=parts.append, bytes_max=200_000, within=timedelta(seconds=5)
    )

    assert isinstance(result, Reply)
    assert (result.status, result.body) == (200, b"")
    assert b"".join(parts) == b"PK\x00\xff" * 50_000
    assert gateway.heads[0].startswith("GET /gateway.do?a=%2B HTTP")


async def test_a_file_longer_than_its_bound_is_no_answer(
    http: ChannelHttp, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(b"x" * 1001)
    parts: list[bytes] = []

    result = await http.download(
        gateway.url, sink=parts.append, bytes_max=1000, within=timedelta(seconds=5)
    )

    assert isinstance(result, NoAnswer)
    assert len(b"".join(parts)) <= 1000


async def test_what_is_said_instead_of_a_file_is_not_poured(
    http: ChannelHttp, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(b"expired", status=403)
    parts: list[bytes] = []

    result = await http.download(
        gateway.url, sink=parts.append, bytes_max=1000, within=timedelta(seconds=5)
    )

    assert isinstance(result, Reply)
    assert (result.status, result.body) == (403, b"expired")
    assert parts == []


async def test_a_file_that_drips_is_given_up_in_time(
    http: ChannelHttp, gateway: FaultyServer
) -> None:
    gateway.behaviour = drips
    parts: list[bytes] = []

    result = await http.download(
        gateway.url, sink=parts.append, bytes_max=1000, within=timedelta(seconds=0.2)
    )

    assert isinstance(result, NoAnswer)
