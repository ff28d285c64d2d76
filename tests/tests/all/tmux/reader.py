#!/usr/bin/env python3
"""A program in a terminal that looks like an agent: raw mode, bracketed paste, an input between two rules.

Writes what happens to the file given as first argument, one JSON object per line: {"submit": text} for each submit,
{"bytes": hex} for each read. Obeys lines of the fifo given as second argument: `busy on|off`, `dialog on|off`,
`dialog-after-paste`, `type TEXT`, `say TEXT`, `mute on|off` (Enter is swallowed), `exit CODE`.
"""
import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
import tty

PASTE, PASTED = b"\x1b[200~", b"\x1b[201~"


class Reader:
    def __init__(self, log, orders, bracketed):
        self.log = open(log, "a", buffering=1, encoding="utf-8")
        self.orders = os.open(orders, os.O_RDWR | os.O_NONBLOCK)
        self.bracketed = bracketed
        self.pending = b""
        self.order = b""
        self.input = ""
        self.pasting = False
        self.transcript = ["agent ready"]
        self.busy = self.dialog = self.dialog_after_paste = self.mute = False

    def tell(self, **fact):
        self.log.write(json.dumps(fact) + "\n")

    def draw(self):
        rows, columns = struct.unpack("hhhh", fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8))[:2]
        rule = "─" * max(columns - 1, 10)
        lines = []
        for entry in self.transcript[-200:]:
            for line in entry.split("\n"):
                lines += [line[at:at + columns - 1] for at in range(0, len(line), columns - 1)] or [""]
        if self.dialog:
            below = ["", "  Do you want to proceed?", "  ❯ 1. Yes", "    2. No"]
        else:
            shown = []
            for line in self.input.split("\n"):
                shown += [line[at:at + columns - 4] for at in range(0, len(line), columns - 4)] or [""]
            # A long input scrolls: its end is seen.
            shown = shown[-(rows // 2):]
            below = ["", rule] + [("> " if at == 0 else "  ") + line for at, line in enumerate(shown)] + [rule]
            below.append("  esc to interrupt" if self.busy else "  ? for shortcuts")
        lines = (lines + below)[-rows:]
        os.write(1, ("\x1b[H\x1b[2J" + "\r\n".join(lines)).encode())

    def submit(self):
        if self.mute:
            self.tell(swallowed=True)
            return
        self.tell(submit=self.input)
        self.transcript.append("> " + self.input)
        self.input = ""

    def feed(self, data):
        self.tell(bytes=data.hex())
        self.pending += data
        while self.pending:
            if self.pending.startswith(PASTE):
                self.pasting, self.pending = True, self.pending[len(PASTE):]
            elif self.pending.startswith(PASTED):
                self.pasting, self.pending = False, self.pending[len(PASTED):]
                if self.dialog_after_paste:
                    self.dialog_after_paste, self.dialog = False, True
            elif PASTE.startswith(self.pending) or PASTED.startswith(self.pending):
                return
            else:
                length = next((n for n in range(1, 5) if self.decodes(self.pending[:n])), None)
                if length is None:
                    if len(self.pending) < 4:
                        return
                    length = 1
                char, self.pending = self.pending[:length], self.pending[length:]
                self.key(char)

    @staticmethod
    def decodes(data):
        try:
            return bool(data.decode())
        except UnicodeDecodeError:
            return False

    def key(self, char):
        if self.dialog:
            self.tell(answered=char.hex())
        elif self.pasting:
            self.input += char.decode(errors="replace")
        elif char == b"\r":
            self.submit()
        elif char == b"\x7f":
            self.input = self.input[:-1]
        elif char == b"\x15":
            self.input = ""
        else:
            self.input += char.decode(errors="replace")

    def obey(self, order):
        verb, _, rest = order.partition(" ")
        if verb in ("busy", "dialog", "mute"):
            setattr(self, verb, rest == "on")
        elif verb == "dialog-after-paste":
            self.dialog_after_paste = True
        elif verb == "type":
            self.input += rest
        elif verb == "say":
            self.transcript.append(rest)
        elif verb == "clear":
            self.input = ""
        elif verb == "exit":
            return int(rest or 0)
        self.draw()
        self.tell(obeyed=order)
        return None

    def run(self):
        before = termios.tcgetattr(0)
        tty.setraw(0)
        if self.bracketed:
            os.write(1, b"\x1b[?2004h")
        signal.signal(signal.SIGWINCH, lambda *_: self.draw())
        self.draw()
        self.tell(ready=os.getpid())
        try:
            while True:
                ready, _, _ = select.select([0, self.orders], [], [])
                if 0 in ready:
                    data = os.read(0, 65536)
                    if not data:
                        return 0
                    self.feed(data)
                    self.draw()
                if self.orders in ready:
                    self.order += os.read(self.orders, 65536)
                    *orders, self.order = self.order.split(b"\n")
                    for order in orders:
                        code = self.obey(order.decode())
                        if code is not None:
                            return code
        finally:
            os.write(1, b"\x1b[?2004l\x1b[H\x1b[2J")
            termios.tcsetattr(0, termios.TCSADRAIN, before)


if __name__ == "__main__":
    sys.exit(Reader(sys.argv[1], sys.argv[2], "--raw" not in sys.argv[3:]).run())
