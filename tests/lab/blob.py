# SPDX-License-Identifier: GPL-2.0-or-later
"""Ten megabytes that nobody can confuse with other bytes, and a web server that gives and takes them."""

import hashlib
import http.server
import socket
import threading

SIZE = 10_000_000
BLOB = hashlib.shake_256(b"bauta").digest(SIZE)
SHA256 = hashlib.sha256(BLOB).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.peers.append(self.client_address)
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        self.wfile.write(BLOB)

    def do_PUT(self):
        digest = hashlib.sha256()
        left = int(self.headers["Content-Length"])
        while left:
            data = self.rfile.read(min(left, 1 << 16))
            if not data:
                return
            digest.update(data)
            left -= len(data)
        self.server.peers.append(self.client_address)
        body = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class WebServer(http.server.ThreadingHTTPServer):
    """GET sends the blob; PUT answers with the SHA-256 of what it was given."""

    daemon_threads = True

    def __init__(self, host, port=80):
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = host.listen(port)
        self.socket.settimeout(None)
        self.peers = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        host.keep(self)

    def handle_error(self, request, client_address):
        pass  # a client that went away: the test sees it at the client

    def close(self):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def shutdown_request(self, request):
        try:
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        request.close()
