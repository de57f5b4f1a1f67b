"""`python -m sandbox`: one sandbox on one port."""

import argparse
from pathlib import Path

from sandbox.app import build_app
from sandbox.server import bind, serve

_LOG_LEVELS = ("debug", "info", "warning", "error")


def main() -> None:
    given = _parser().parse_args()
    folder: Path = given.data
    folder.mkdir(parents=True, exist_ok=True)
    listener = bind(given.host, given.port)
    host = f"[{given.host}]" if ":" in given.host else given.host
    public_url = given.public_url or f"http://{host}:{listener.getsockname()[1]}"
    app = build_app(
        folder / "books.sqlite3",
        public_url,
        time_scale=given.time_scale,
        control_token=given.control_token,
    )
    serve(app, listener, port_file=given.port_file, log_level=given.log_level)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="written once connections are accepted")
    parser.add_argument("--data", type=Path, required=True, help="folder for books and keys")
    parser.add_argument("--public-url", help="where payers reach the cashier")
    parser.add_argument("--time-scale", type=float, default=1.0, help="of notification retries")
    parser.add_argument("--control-token", help="asked for by /control when it is set")
    parser.add_argument("--log-level", choices=_LOG_LEVELS, default="warning")
    return parser


if __name__ == "__main__":
    main()
