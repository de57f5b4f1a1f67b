"""The lean HTTP client that carries notifications."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from sandbox.posting import Poster, PostFailed


class RawServer:
    """Answers every request on a connection with the same bytes; none means it hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self.heads: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                await reader.readexactly(4)
                writer.write(self.answer)
                if not self.answer or b"close" in self.answer:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    raw = RawServer()
    listener = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    raw.url = f"http://127.0.0.1:{port}/callbacks?a=1&b=2"
    yield raw
    listener.close()


@pytest.fixture
def poster() -> Iterator[Poster]:
    poster = Poster()
    yield poster
    poster.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsuccess",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsuc\r\n4\r\ncess\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsuccess",
    ],
    ids=["with a length", "in chunks", "until the connection ends"],
)
async def test_an_answer_is_read_however_it_is_framed(
    poster: Poster, server: RawServer, answer: bytes
) -> None:
    server.answer = answer

    assert await poster.post(server.url, b"a=1&") == (200, b"success")
    assert server.heads[0].startswith(b"POST /callbacks?a=1&b=2 HTTP/1.1\r\n")


async def test_a_connection_is_used_again(poster: Poster, server: RawServer) -> None:
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    for _ in range(3):
        await poster.post(server.url, b"a=1&")

    assert (server.connections, len(server.heads)) == (1, 3)


async def test_a_redirect_is_not_followed(poster: Poster, server: RawServer) -> None:
    server.answer = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"

    assert await poster.post(server.url, b"a=1&") == (302, b"")
    assert len(server.heads) == 1


async def test_an_endless_answer_is_cut(poster: Poster, server: RawServer) -> None:
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100_000

    status, body = await poster.post(server.url, b"a=1&")

    assert (status, len(body)) == (200, 1024)


@pytest.mark.parametrize("answer", [b"", b"I am no HTTP server close\r\n\r\n"])
async def test_no_answer_is_a_failure(poster: Poster, server: RawServer, answer: bytes) -> None:
    server.answer = answer

    with pytest.raises(PostFailed):
        await poster.post(server.url, b"a=1&")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "ftp://127.0.0.1/", "nonsense", "http://"])
async def test_an_address_that_leads_nowhere_is_a_failure(poster: Poster, url: str) -> None:
    with pytest.raises(PostFailed):
        await poster.post(url, b"a=1&")
