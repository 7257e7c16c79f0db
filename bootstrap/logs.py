"""Logs: one JSON object a line for machines, or coloured lines for people."""

import logging
import sys
from datetime import UTC
from typing import TYPE_CHECKING, TextIO

import orjson
from loguru import logger

from bootstrap.settings import Settings
from usecases.tracing import request_id

if TYPE_CHECKING:
    from loguru import Message, Record

QUIET = {
    "uvicorn.access": logging.CRITICAL,  # the edge writes a line of its own for each request
    "uvicorn.error": logging.WARNING,  # its notices name paths, queries and addresses of callers
    "websockets": logging.WARNING,
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
    "google_genai": logging.WARNING,
    "asyncio": logging.WARNING,
}
"""Libraries that say more than an operator wants to read, or than may be written down."""


def configure_logs(settings: Settings, stream: TextIO | None = None) -> None:
    """Send everything that is logged, also by libraries, to `stream`, by default standard output.

    Exceptions are written without the values of their variables, which may be secret.
    """
    out = stream or sys.stdout
    pretty = settings.log_format == "pretty"
    logger.configure(patcher=_bind_request)
    logger.remove()
    if pretty:
        logger.add(
            out,
            level=settings.log_level,
            format=_pretty_format,
            backtrace=False,
            diagnose=False,
        )
    else:
        logger.add(
            lambda message: _write_json(out, message),
            level=settings.log_level,
            format=lambda record: "{exception}",  # noqa: ARG005 - a string would get a line more
            backtrace=False,
            diagnose=False,
        )
    _intercept()


def _bind_request(record: "Record") -> None:
    identifier = request_id.get()
    if identifier is not None:
        record["extra"].setdefault("request_id", identifier)


def _write_json(out: TextIO, message: "Message") -> None:
    """Write one record. JSON encodes line breaks, so that a value cannot forge a line."""
    record = message.record
    line = {
        "time": record["time"].astimezone(UTC).isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "message": record["message"],
        "logger": record["name"],
        **record["extra"],
    }
    if record["exception"] is not None:
        line["exception"] = str(message).strip()
    out.write(orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")
    out.flush()


def _pretty_format(record: "Record") -> str:
    """Return loguru's template for a record; what others said is encoded and never a template."""
    facts = "".join(f" {name}={value!r}" for name, value in record["extra"].items())
    record["extra"] = {"line": _one_line(record["message"]), "facts": _one_line(facts)}
    return (
        "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> "
        "{extra[line]}<dim>{extra[facts]}</dim>\n{exception}"
    )


def _one_line(text: str) -> str:
    """Encode what breaks a line or steers a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Intercept(logging.Handler):
    """Hands the standard library's records to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno

        def under_its_name(ours: "Record") -> None:
            ours["name"] = record.name

        logger.patch(under_its_name).opt(exception=record.exc_info).log(
            level, "{}", record.getMessage()
        )


def _intercept() -> None:
    logging.basicConfig(handlers=[_Intercept()], level=logging.INFO, force=True)
    for name in list(logging.root.manager.loggerDict):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger("asyncio").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out that a silent PostgreSQL did not hear a good-bye.

    SQLAlchemy goes on saying it when whoever used the connection is gone, and forgets the task.
    """
    return "_terminate_graceful_close" not in record.getMessage()
