"""One of several worker processes, as `supervisor` starts it.

`python -m service.server.worker LISTENING LIFELINE COUNTS PLACE`
"""

import os
import signal
import socket
import sys

from service.server.connection_counts import ConnectionCounts
from service.server.heartbeat import Heartbeat
from service.server.server import Server
from service.settings import Settings


def main(listening: int, lifeline: int, counts: int, place: int) -> int:
    """Serve on a listening socket until told to stop, in one of several places; all else are numbers of open files."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again when it has shut down
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    shared_counts = ConnectionCounts(counts, place)
    os.close(counts)
    server = Server(Settings(), Heartbeat(socket.socket(fileno=lifeline)), shared_counts)
    server.run([socket.socket(fileno=listening)])
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
