"""The API's own tables, handed on to the browser as they are."""

from fastapi import Response

from api.console.shell import PAGE_HEADERS
from api.console.visit import Visit


async def as_download(visit: Visit, path: str, **query: object) -> Response:
    """What `GET path` answers, with its name. Raises ApiRefused."""
    answer = await visit.api.fetch("GET", path, query=query)
    headers = PAGE_HEADERS | {"content-disposition": answer.headers["content-disposition"]}
    return Response(answer.content, media_type=answer.headers["content-type"], headers=headers)
