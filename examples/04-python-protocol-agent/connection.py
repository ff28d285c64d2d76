"""One connection to NATS: login with an nkey, publishes, subscriptions, requests. Standard library only."""

from __future__ import annotations

import base64
import json
import queue
import secrets
import socket
import sys
import threading
import time
from typing import NamedTuple, Optional
from urllib.parse import urlsplit

from ed25519 import Key

DIAL_WITHIN = 2.0
PING_EVERY = 3.0
SILENCE_MAX = 3 * PING_EVERY  # two pings without an answer, and the time until the third
ANSWER_WITHIN = 5.0


class Disconnected(Exception):
    """The connection has ended, or must not be used any more."""


class NoResponders(Exception):
    """Nobody serves the subject now: the server reloads, or the subject is not ours."""


class Message(NamedTuple):
    subject: str
    reply: str
    status: Optional[int]
    description: str
    headers: dict
    payload: bytes


class Connection:
    """A login at a server. It ends once and never comes back: whoever uses it begins a new one."""

    def __init__(self, url: str, key: Key, name: str, inbox_prefix: str):
        address = urlsplit(url)
        self._inbox_prefix = inbox_prefix
        self._writing = threading.Lock()
        self._queues: dict[int, queue.SimpleQueue] = {}
        self._last_sid = 0
        self.ended = threading.Event()
        try:
            self._socket = socket.create_connection((address.hostname, address.port or 4222), DIAL_WITHIN)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lines = self._socket.makefile("rb")
            self._log_in(key, name)
            self._socket.settimeout(SILENCE_MAX)
        except (OSError, ValueError) as error:
            raise Disconnected(str(error)) from error
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._ping, daemon=True).start()

    def _log_in(self, key: Key, name: str) -> None:
        verb, _, info = self._lines.readline().partition(b" ")
        if verb != b"INFO":
            raise Disconnected("this is no NATS server")
        options = {
            "verbose": False, "pedantic": False, "protocol": 1, "headers": True, "no_responders": True,
            "name": name, "lang": "python", "version": "1",
        }
        nonce = json.loads(info).get("nonce")
        if nonce:
            signature = base64.urlsafe_b64encode(key.sign(nonce.encode())).decode().rstrip("=")
            options.update(nkey=key.public_text(), sig=signature)
        self._write(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        answer = self._lines.readline()
        while answer.startswith((b"INFO", b"+OK")):
            answer = self._lines.readline()
        if answer.strip() != b"PONG":
            raise Disconnected(f"the server refused the login: {answer.decode(errors='replace').strip()}")

    # Both threads end with the connection.

    def _read(self) -> None:
        try:
            while True:
                verb, *words = self._lines.readline().split()
                if verb in (b"MSG", b"HMSG"):
                    self._take(verb, words)
                elif verb == b"PING":
                    self._write(b"PONG\r\n")
                elif verb == b"-ERR":
                    said = b" ".join(words).decode(errors="replace")
                    print(f"the server says: {said}", file=sys.stderr, flush=True)
        except (OSError, ValueError):  # ended, silent for too long, or not NATS
            self.close()

    def _take(self, verb: bytes, words: list) -> None:
        size = int(words[-1])
        header_size = int(words[-2]) if verb == b"HMSG" else 0
        fixed = 4 if verb == b"HMSG" else 3  # subject, sid and sizes; a reply subject stands between
        reply = words[2].decode() if len(words) > fixed else ""
        data = self._lines.read(size + 2)
        if len(data) != size + 2:
            raise ValueError("the end")
        status, description, headers = None, "", {}
        if header_size:
            first, *rest = data[:header_size].decode().split("\r\n")
            _, _, status_line = first.partition(" ")
            if status_line:
                code, _, description = status_line.partition(" ")
                status = int(code)
            for line in filter(None, rest):
                field, _, value = line.partition(":")
                headers[field] = value.strip()
        message = Message(words[0].decode(), reply, status, description, headers, data[header_size:size])
        waiting = self._queues.get(int(words[1]))
        if waiting is not None:
            waiting.put(message)

    def _ping(self) -> None:
        while not self.ended.wait(PING_EVERY):
            try:
                self._write(b"PING\r\n")
            except Disconnected:
                return

    def _write(self, data: bytes) -> None:
        try:
            with self._writing:
                self._socket.sendall(data)
        except OSError as error:
            self.close()
            raise Disconnected(str(error)) from error

    def close(self) -> None:
        """Ends the connection. Everybody who waits on it is told."""
        self.ended.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster
        for waiting in list(self._queues.values()):
            waiting.put(None)

    # What the protocol's client can do.

    def publish(self, subject: str, payload: bytes, reply: str = "", headers: Optional[dict] = None) -> None:
        """Sends a message. Whether it arrived, nobody says."""
        if headers:
            block = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            block = f"NATS/1.0\r\n{block}\r\n".encode()
            sizes = f"{len(block)} {len(block) + len(payload)}"
            head = f"HPUB {subject} {reply + ' ' if reply else ''}{sizes}\r\n".encode() + block
        else:
            head = f"PUB {subject} {reply + ' ' if reply else ''}{len(payload)}\r\n".encode()
        self._write(head + payload + b"\r\n")

    def subscribe(self, subject: str, into: Optional[queue.SimpleQueue] = None) -> tuple:
        """Subscribes; returns the number of the subscription and the queue of its messages, `None` for the end."""
        waiting = into or queue.SimpleQueue()
        with self._writing:
            self._last_sid += 1
            sid = self._last_sid
        self._queues[sid] = waiting
        self._write(f"SUB {subject} {sid}\r\n".encode())
        if self.ended.is_set():
            raise Disconnected("the connection has ended")
        return sid, waiting

    def request(self, subject: str, payload: bytes = b"", headers: Optional[dict] = None,
                within: float = ANSWER_WITHIN) -> Message:
        """Asks and waits for one answer, on an inbox of its own with a random name.

        Without an answer in time the connection is over: what was asked may still happen, and the answer would reach
        nobody. The checks at the beginning of the next connection find what was lost.
        """
        inbox = f"{self._inbox_prefix}.{secrets.token_urlsafe(16)}"
        sid, waiting = self.subscribe(inbox)
        try:
            self.publish(subject, payload, inbox, headers)
            try:
                answer = waiting.get(timeout=within)
            except queue.Empty:
                self.close()
                raise Disconnected(f"no answer from {subject} within {within} s") from None
            if answer is None:
                raise Disconnected("the connection ended before the answer came")
            if answer.status == 503 and not answer.payload:
                raise NoResponders(subject)
            return answer
        finally:
            self._queues.pop(sid, None)
            if not self.ended.is_set():
                self._write(f"UNSUB {sid}\r\n".encode())

    def request_patiently(self, subject: str, payload: bytes = b"", headers: Optional[dict] = None) -> Message:
        """Like `request`, but asks again while nobody serves the subject: a reload takes less than a second."""
        for _ in range(20):
            try:
                return self.request(subject, payload, headers)
            except NoResponders:
                time.sleep(0.25)
        self.close()
        raise Disconnected(f"nobody serves {subject}")
