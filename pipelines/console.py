"""The console logger of `pseudopair run`: the stages' own lines, without the framework's events."""

import logging
import sys

import dagster as dg

FRAMEWORK_LOGGER_FIELD = "dagster_meta"


class _StageLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, FRAMEWORK_LOGGER_FIELD, {})
        message = meta.get("orig_message") if isinstance(meta, dict) else None
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return f"  {level}{message or record.getMessage()}"


@dg.logger(config_schema={"log_level": dg.Field(str, is_required=False, default_value="INFO")})
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Compact lines on standard output."""
    logger = logging.getLogger("pseudopair.console")
    logger.handlers.clear()
    logger.propagate = False
    logger.setLevel(context.logger_config["log_level"])
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_StageLines())
    logger.addHandler(handler)
    return logger
