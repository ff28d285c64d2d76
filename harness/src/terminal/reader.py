"""A program in a pane that looks like an agent: raw mode, bracketed paste, an input between two rules.

Tells the unix socket given as its first argument of each submit, one JSON object per line: when it was read, in
nanoseconds of the monotonic clock, and its text; with a second argument `bytes` also of all bytes that it is given,
each as a character below U+0100, before what they lead to. Ends when the other side of the socket does.
"""
import codecs
import fcntl
import json
import os
import re
import select
import socket
import struct
import sys
import termios
import time
import tty

MARKS = {False: re.compile("\x1b\\[200~|\r"), True: re.compile("\x1b\\[201~")}
SHOWN_MAX = 60  # lines of what was submitted before


class Reader:
    def __init__(self, place, bytes_too):
        self.bytes_too = bytes_too
        self.told = socket.socket(socket.AF_UNIX)
        self.told.connect(place)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.pending = self.input = ""
        self.pasting = False
        self.shown = ["agent ready"]

    def tell(self, **fact):
        self.told.sendall((json.dumps(fact) + "\n").encode())

    def wrapped(self, text, width, most):
        """The last lines of a text as an input shows them, its glyph before the first of them."""
        lines = []
        for line in text.split("\n"):
            lines += [line[at:at + width] for at in range(0, len(line), width)] or [""]
        return [("> " if at == 0 else "  ") + line for at, line in enumerate(lines[-most:])]

    def draw(self):
        rows, columns = struct.unpack("hhhh", fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8))[:2]
        rule = "─" * (columns - 1)
        # A long input scrolls: its end is seen.
        box = [rule] + self.wrapped(self.input, columns - 4, rows // 2) + [rule]
        lines = (self.shown + [""] + box + ["  ? for shortcuts"])[-rows:]
        os.write(1, ("\x1b[H\x1b[2J" + "\r\n".join(lines)).encode())

    def submit(self):
        self.tell(at_ns=time.clock_gettime_ns(time.CLOCK_MONOTONIC), text=self.input)
        self.shown = (self.shown + self.wrapped(self.input, 90, SHOWN_MAX))[-SHOWN_MAX:]
        self.input = ""

    def feed(self, data):
        self.pending += self.decoder.decode(data)
        while found := MARKS[self.pasting].search(self.pending):
            self.input += self.pending[:found.start()]
            self.pending = self.pending[found.end():]
            if found[0] == "\r":
                self.submit()
            else:
                self.pasting = not self.pasting
        # A mark may be cut in two by a read.
        cut = self.pending.rfind("\x1b", max(len(self.pending) - 5, 0))
        whole = cut if cut >= 0 else len(self.pending)
        self.input += self.pending[:whole]
        self.pending = self.pending[whole:]

    def run(self):
        tty.setraw(0)
        os.write(1, b"\x1b[?2004h")
        self.draw()
        self.tell(ready=os.getpid())
        while True:
            ready, _, _ = select.select([0, self.told], [], [])
            if self.told in ready:
                return
            data = os.read(0, 65536)
            if not data:
                return
            if self.bytes_too:
                self.tell(bytes=data.decode("latin-1"))
            self.feed(data)
            self.draw()


Reader(sys.argv[1], "bytes" in sys.argv[2:]).run()
