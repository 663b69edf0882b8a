"""A TCP proxy on loopback, in front of a server, which a test lets refuse, hang, cut or answer nobody."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE = 65536
# Closing sends a reset, as when the machine at the other end is gone.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Hands on what comes to its port, in both directions, until a test says otherwise.

    Args:
        target: the port of the server behind it.

    `came` counts the connections and the pieces of data that have come from clients, also while it hangs.
    """

    def __init__(self, target: int) -> None:
        self.target, self.came = target, 0
        self._asks, self._answers = threading.Event(), threading.Event()  # Which direction flows.
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.heal()

    def heal(self) -> None:
        """All is as it should be, also for connections that hung."""
        if self._listener.fileno() < 0:
            self._listener = self._listen(self.port)
        self._asks.set()
        self._answers.set()

    def hang(self) -> None:
        """Takes connections and bytes, and hands nothing on in either direction."""
        self._asks.clear()
        self._answers.clear()

    def lose_answers(self) -> None:
        """Hands on what is asked; what is answered stays here."""
        self._answers.clear()

    def cut(self) -> None:
        """Resets every open connection; new ones are served."""
        with self._lock:
            gone, self._open = self._open, set()
        for connection in gone:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def refuse(self) -> None:
        """Nobody listens any more, and open connections are reset."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._asks.set()  # Who waited for a connection that is gone sees that it is.
        self._answers.set()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.came += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._asks.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with self._lock:
            self._open |= {client, server}
        threading.Thread(target=self._pump, args=(client, server, self._asks), daemon=True).start()
        self._pump(server, client, self._answers)

    def _pump(self, source: socket.socket, sink: socket.socket, flows: threading.Event) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                self.came += flows is self._asks
                flows.wait()
                sink.sendall(piece)
        flows.wait()
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            with self._lock:
                self._open.discard(end)


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """A proxy in front of the server on this port."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.refuse()
