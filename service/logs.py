"""Structured logs: one JSON object per line on standard error."""

import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes of every log record; what is left over came with ``extra``."""


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON, extra fields beside the usual ones."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record.

        Examples:
            >>> record = logging.makeLogRecord({"msg": "ready", "levelname": "INFO", "model": "colours"})
            >>> json.loads(JsonFormatter().format(record))["model"]
            'colours'
        """
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logs(level: str) -> None:
    """Send what ``service`` logs to standard error, past any handler of a server around it.

    So too the warnings of what sends traces.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, least in (("service", level), ("opentelemetry", "WARNING")):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(least)
        logger.propagate = False
    # Warns of every byte of a broken form; the caller is told once.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
