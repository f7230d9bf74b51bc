"""One of several worker processes: the supervisor runs `python -m service.server.worker LISTENING HEARTBEAT`."""

import signal
import socket
import sys

from service.server.server import Heartbeat, Server
from service.settings import Settings


def main(listening: int, heartbeat: int) -> int:
    """Serve on a listening socket until asked to stop; the arguments are numbers of open files."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again when it has shut down
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    Server(Settings(), Heartbeat(socket.socket(fileno=heartbeat))).run([socket.socket(fileno=listening)])
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
