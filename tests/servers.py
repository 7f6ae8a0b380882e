"""Servers for tests, each in a thread of its own."""

import contextlib
import threading


@contextlib.contextmanager
def running(server):
    """A socketserver that answers during the block, and is closed after it."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
