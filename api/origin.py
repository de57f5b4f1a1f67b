"""Where a form was sent from."""

from urllib.parse import urlsplit

from fastapi import Request

from api.dependencies import ApiDependencies


def is_own_origin(request: Request, deps: ApiDependencies) -> bool:
    """Whether a form was sent by a page of ours. Browsers say so in every POST."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return site == "same-origin"
    ours = {request.headers.get("host", ""), urlsplit(deps.options.public_url).netloc}
    return urlsplit(origin).netloc in ours - {""}
