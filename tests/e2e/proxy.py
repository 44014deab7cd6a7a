"""A TCP proxy that a test can cut: between a node and the hub, without root. Bytes go through as they are."""
import socket
import threading


class Proxy:
    """Listens on a port of its own (`port`) and carries to 127.0.0.1:target. cut(): every connection is reset; down: new ones are closed at once;
    hold: nothing is carried, nothing is closed (a line that went silent)."""

    def __init__(self, target):
        self.target, self.down, self.cuts = target, False, 0
        self.flows = threading.Event()
        self.flows.set()
        self.lock, self.open = threading.Lock(), set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = None if self.down else socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                far = None
            if far is None:
                near.close()
                continue
            far.settimeout(None)
            with self.lock:
                self.open.update((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(a, b), daemon=True).start()

    def _carry(self, a, b):
        try:
            while data := a.recv(16384):
                self.flows.wait()
                b.sendall(data)
        except OSError:
            pass
        self._close(a, b)

    def _close(self, *sockets):
        for s in sockets:
            with self.lock:
                known = s in self.open
                self.open.discard(s)
            if known:
                try:
                    s.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
                except OSError:
                    pass
                s.close()

    def hold(self):
        self.flows.clear()

    def cut(self):
        self.cuts += 1
        with self.lock:
            sockets = list(self.open)
        self._close(*sockets)
        self.flows.set()

    def close(self):
        self.down = True
        self.listener.close()
        self.cut()
