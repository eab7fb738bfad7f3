"""A dialogue: commands on several connections, grouped into steps.

A step is what goes to one connection before its replies are awaited, so the order of commands on different
connections is determined. Assembler puts commands into steps and refuses what must not be sent there; the
generator and the minimiser both build with it, so a dialogue that was cut down is as valid as the whole.
"""
import struct

import since
from framing import BinaryStream, Hold, TextStream, Unsuitable, WatchStream

STREAMS = {"text": TextStream, "binary": BinaryStream, "watch": WatchStream}
NO_SUCH_ID = (1 << 63) + 5      # greater than all ids of either server


class Ref:
    """The CAS id of a key, `age` ids before the latest that was shown: another number on each server."""

    __slots__ = ("key", "age", "binary")

    def __init__(self, key, age, binary=False):
        self.key, self.age, self.binary = key, age, binary

    def render(self, ids, side):
        """The bytes to send to a side (0: the reference). `ids` has by key the pairs that were shown."""
        shown = ids.get(self.key, ())
        number = shown[-1 - self.age][side] if len(shown) > self.age else NO_SUCH_ID
        return struct.pack(">Q", number) if self.binary else b"%d" % number

    def placeholder(self):
        return b"\0" * 7 + b"\1" if self.binary else b"1"


class Command:
    """Some bytes for a connection, with Refs between them; `sync`: replies are awaited first."""

    __slots__ = ("connection", "parts", "sync")

    def __init__(self, connection, parts, sync=False):
        self.connection, self.parts, self.sync = connection, parts, sync

    def render(self, ids, side):
        return b"".join(part if isinstance(part, bytes) else part.render(ids, side) for part in self.parts)

    def outline(self):
        return b"".join(part if isinstance(part, bytes) else part.placeholder() for part in self.parts)


class Step:
    """Commands for one connection; then `padding`, which ends what was begun.

    `closes`: the server will close. `work`: the last command has to be waited for: "dump", "crawl" and "switch" of
    orders.py, or "watch".
    """

    __slots__ = ("connection", "commands", "padding", "opens", "closes", "work")

    def __init__(self, connection, opens):
        self.connection, self.opens = connection, opens
        self.commands, self.padding, self.closes, self.work = [], b"", False, None


class Dialogue:
    """What is played. `kinds` has "text", "binary" or "watch" for each connection; `old`: see since.py."""

    def __init__(self, seed, kinds, steps):
        self.seed, self.kinds, self.steps = seed, kinds, steps

    def commands(self):
        return [command for step in self.steps for command in step.commands]

    def count(self):
        return sum(len(step.commands) for step in self.steps)


class Assembler:
    """Builds the steps of a dialogue."""

    def __init__(self, kinds, old):
        self.kinds, self.old = kinds, old
        self.streams = [None] * len(kinds)
        self.hold = Hold()
        self.steps = []

    def make_stream(self, connection, opens):
        """A connection as it is at its start, or else once its last step was padded."""
        kind = self.kinds[connection]
        if kind == "binary" and self.old and "watch" in self.kinds:
            return BinaryStream(self.old, opens, since.WATCHED_MAX)
        return STREAMS[kind](self.old, opens)

    def add(self, command):
        """Append a command; False if it is not to be sent here."""
        step, stream, hold = self.place(command)
        if stream.is_amid() and not all(isinstance(part, bytes) for part in command.parts):
            return False    # an id as data: its length and its value are each server's own
        state, fresh = stream.state, stream.fresh
        try:
            stream.feed(command.outline(), hold, not step.commands)
        except Unsuitable:
            stream.state, stream.fresh = state, fresh
            return False
        if not self.steps or step is not self.steps[-1]:
            self.end_step()
            self.steps.append(step)
        step.commands.append(command)
        step.closes, step.work = stream.closed, stream.work
        self.streams[command.connection], self.hold = stream, hold
        return True

    def place(self, command):
        """The step, the stream and the held keys with which a command would go."""
        last = self.steps[-1] if self.steps else None
        stream = self.streams[command.connection]
        goes_on = last and last.connection == command.connection and not last.closes and not last.work
        if goes_on and not command.sync:
            return last, stream, self.hold.copy()
        opens = stream is None or stream.closed
        stream = self.make_stream(command.connection, opens)
        hold = self.hold.copy()
        hold.next_step(last is not None and last.connection != command.connection)
        return Step(command.connection, opens), stream, hold

    def end_step(self):
        if self.steps:
            last = self.steps[-1]
            last.padding = self.streams[last.connection].padding()

    def finish(self, seed):
        self.end_step()
        return Dialogue(seed, self.kinds, self.steps)


def rebuild(dialogue, commands, old):
    """The dialogue with these commands only; None if that is not a valid one."""
    assembler = Assembler(dialogue.kinds, old)
    if all(assembler.add(command) for command in commands):
        return assembler.finish(dialogue.seed)
    return None
