"""The standalone broker: `python -m broker --help`."""

import argparse
import asyncio
import base64
import binascii
from dataclasses import replace
import logging
import math
from pathlib import Path
import signal
import sys

from . import Access, AccessMode, Broker, Limits, Listener, Saver, Store, __version__
from .core.limits import no_limits
from .protocol.names import is_device_id
from .server.saver import DEFAULT_INTERVAL
from .server.time_zone import posix_time_zone

DEFAULT_PORT = 7883
KEY_LENGTH = 32
MAX_PORT = 65535
DEFAULTS = Limits()

_LOGGER = logging.getLogger("textmq")


def device_id(text: str) -> str:
    """Read a device ID from the command line."""
    if not is_device_id(text):
        raise argparse.ArgumentTypeError(f"{text!r} can't be a device ID")
    return text


def device_key(text: str) -> tuple[str, bytes]:
    """Read ID=BASE64 from the command line: a device ID and its key of 32 bytes."""
    name, _, encoded = text.partition("=")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error as err:
        raise argparse.ArgumentTypeError(f"the key of {name!r} is not base64") from err
    if len(key) != KEY_LENGTH:
        raise argparse.ArgumentTypeError(
            f"the key of {name!r} has not {KEY_LENGTH} bytes"
        )
    return device_id(name), key


def port(text: str) -> int:
    """Read a port from the command line."""
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to {MAX_PORT}")
    return int(text)


def seconds(text: str) -> float:
    """Read a time from the command line."""
    try:
        time = float(text)
    except ValueError:
        time = 0
    if not 0 < time < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return time


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="broker", description="TextMQ broker without Home Assistant"
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add("--port", type=port, default=DEFAULT_PORT, help="port, 0 for any (%(default)s)")
    add("--data", type=Path, required=True, help="folder of the stored variables")
    add(
        "--access",
        type=AccessMode,
        choices=list(AccessMode),
        default=AccessMode.APPROVE,
        help="who may come in (%(default)s)",
    )
    add("--allow", type=device_id, action="append", default=[], metavar="ID")
    add("--key", type=device_key, action="append", default=[], metavar="ID=BASE64")
    add("--keepalive", type=seconds, default=DEFAULTS.keepalive, metavar="S")
    add(
        "--keepalive-timeout",
        type=seconds,
        default=DEFAULTS.keepalive_timeout,
        metavar="S",
    )
    add(
        "--save-interval",
        type=seconds,
        default=DEFAULT_INTERVAL,
        metavar="S",
        help="seconds between saves of what has changed (%(default)g)",
    )
    add("--trace", action="store_true", help="show every line that comes and goes")
    add("--no-limits", action="store_true", help="for measurements only")
    return parser.parse_args(arguments)


def stop_on(
    number: int, loop: asyncio.AbstractEventLoop, stopping: asyncio.Event
) -> None:
    """Stop at a signal, on Windows too, whose event loops know none."""
    try:
        loop.add_signal_handler(number, stopping.set)
    except NotImplementedError:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopping.set))


async def serve(arguments: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT. Raises OSError where port or folder can't be used."""
    limits = replace(
        no_limits() if arguments.no_limits else DEFAULTS,
        keepalive=arguments.keepalive,
        keepalive_timeout=arguments.keepalive_timeout,
    )
    access = Access(arguments.access, arguments.allow, dict(arguments.key))
    loop = asyncio.get_running_loop()
    broker = Broker(
        access=access, limits=limits, version=__version__, call_soon=loop.call_soon
    )
    broker.greeting.time_zone = posix_time_zone()
    store = Store(arguments.data, max_line=limits.max_line)
    broker.restore(*store.load())
    saver = Saver(broker, store, arguments.save_interval)
    listener = Listener(broker, arguments.host, arguments.port)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        stop_on(number, loop, stopping)
    await listener.start()
    saver.start()
    _LOGGER.info("listening on %s:%s", arguments.host, listener.port)
    await stopping.wait()
    try:
        await listener.stop()
    finally:
        await saver.stop()


def main() -> int:
    """Run the command; returns its exit status."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    arguments = parse_arguments(sys.argv[1:])
    if arguments.trace:
        logging.getLogger("textmq.wire").setLevel(logging.DEBUG)
    try:
        # Windows' own default, the proactor, can't watch sockets.
        asyncio.run(serve(arguments), loop_factory=asyncio.SelectorEventLoop)
    except OSError as err:
        _LOGGER.error("%s", err)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
