"""The port and the files a process may have open: how many may come, and how to stop without losing anyone."""

import contextlib
import ctypes
import os
import socket
import struct
import sys

if sys.platform != "win32":
    import resource

BACKLOG = 2048
"""Connections that may wait to be taken; the kernel's own bound (`net.core.somaxconn`) counts too."""

KEPT_FILES = 1280
"""Open files that connections leave to everything else: bundles, logs, figures, and callers that are turned away."""

_SO_ATTACH_FILTER = 26  # linux/socket.h; Python doesn't name it
_UNLESS_HANDSHAKE = (
    (0x30, 0, 0, 13),  # load the byte of flags from the TCP header
    (0x45, 0, 1, 0x02),  # has it SYN?
    (0x06, 0, 0, 0),  # then drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # else take it whole
)
"""A classic BPF program: code, jump if true, jump if false, operand."""

_LEAST_HOPS = ((socket.IPPROTO_IP, 21), (socket.IPPROTO_IPV6, 73))
"""`IP_MINTTL` and `IPV6_MINHOPCOUNT` of linux/in.h and in6.h, which Python doesn't name."""
_MOST = 255
"""Of what a packet may say; hardly any sender begins with so much, and each router takes one off."""


def raise_open_files(wanted: int) -> int:
    """Let this process, and those it starts, open as many files as are wanted; how many it may have."""
    if sys.platform == "win32":
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def max_connections(wanted: int) -> int:
    """As many connections as are wanted, or as the process may have beside its other files."""
    if sys.platform == "win32":
        return wanted
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - KEPT_FILES))


def refuse_handshakes(file_descriptor: int) -> None:
    """Let no new connection begin at a listening socket, while those that have begun can still be taken.

    Closing the socket resets the connections that nobody has taken yet; so first none are added, then they are taken,
    then it is closed. Whose handshake is dropped tries again after a second, and finds the port closed. Nothing happens
    where the system is another.

    The filter isn't for everyone: a host may have given away all it has for them (`net.core.bpf_jit_limit`), and keeps
    more for root only. Then packets are dropped for having come from too far, as all have. That holds for connections
    too whose handshake ends after this: see `hear`.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _UNLESS_HANDSHAKE))
    option = struct.pack("HP", len(_UNLESS_HANDSHAKE), ctypes.addressof(program))
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(file_descriptor)) as listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
        except OSError:
            _accept_from(listening, _MOST)


def hear(connection: socket.socket) -> None:
    """Undo for a connection what it has from a socket that refuses handshakes; what was dropped is sent again soon."""
    if sys.platform == "linux":
        _accept_from(connection, 0)


def _accept_from(own: socket.socket, least: int) -> None:
    for level, option in _LEAST_HOPS:
        with contextlib.suppress(OSError):  # of the other version of IP
            own.setsockopt(level, option, least)
