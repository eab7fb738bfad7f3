"""Where commands begin in a stream of bytes, as a server sees it.

What the generator writes is not what a server reads: a wrong length makes it take a command for data, or data for
a command. TextStream and BinaryStream follow it byte by byte. They tell what is still missing at the end of a step
(padding()), whether the server closes, and raise Unsuitable for what must not be sent:

  - what depends on time: lines that outgrow a buffer, a flush in the future, arithmetic on an item of which a reply
    is perhaps not sent yet (memcached writes the number in place, and pads it, only if nobody holds the item);
  - what is fatal, unless it is alone in its step: replies before it may get lost on either side;
  - what orders.py refuses to let an administrator say, and what ALLOWED lists under `generator`;
  - with `old`, what a reference before 1.6.45 answers otherwise: see since.py, the one place for that.
"""
import base64
import binascii
import re
import struct

import orders
import since
from words import number_i32, shortens, strict_number

LINE_MAX = 2048         # longer lines depend on how they arrive, those of get and gets apart
DATA_MAX = 2 << 20      # more than that is not sent for one value
KEY_MAX = 250
OPAQUE_MAX = 32
PAD_LINE = b"pad\r\n"
STORES = {b"set", b"add", b"replace", b"append", b"prepend", b"cas"}
FETCHES = {b"get": 1, b"gets": 1, b"gat": 2, b"gats": 2}
KNOWN = STORES | set(FETCHES) | {b"delete", b"incr", b"decr", b"touch", b"mg", b"ms", b"md", b"ma", b"mn", b"me",
                                 b"version", b"verbosity", b"flush_all", b"quit"} | set(orders.ORDERS)
HEADER = struct.Struct(">BBHBBHIIQ")
WATCH = re.compile(rb"watch(?: fetchers| mutations| deletions)+\r\n\Z")


class Unsuitable(Exception):
    """This is not to be sent here."""


class Hold:
    """The keys whose values may still be on their way to a client."""

    def __init__(self):
        self.now, self.before = set(), set()

    def next_step(self, other_connection):
        self.before = self.now if other_connection else set()
        self.now = set()

    def copy(self):
        other = Hold()
        other.now, other.before = set(self.now), self.before
        return other

    def check_idle(self, keys):
        for key in keys:
            if key in self.now or key in self.before:
                raise Unsuitable("arithmetic on what is being sent")


def possible_keys(tokens):
    """The key of a meta command: as it stands and, with b, decoded."""
    keys = [tokens[1]]
    if any(token[:1] == b"b" for token in tokens[2:]):
        try:
            keys.append(base64.b64decode(tokens[1]))
        except binascii.Error:
            pass
    return keys


def names_id(line):
    """Whether a store gives the item's id, with E."""
    return line.startswith(b"ms ") and b" E" in line


def is_long_opaque(flag):
    return flag[:1] == b"O" and len(flag) > OPAQUE_MAX


def check_mg(flags):
    """Refuse what ALLOWED says of mg."""
    if any(map(is_long_opaque, flags)):
        raise Unsuitable("memcached stops at the opaque")


def check_ma(flags):
    """Refuse what ALLOWED says of ma."""
    letters = b"".join(flag[:1] for flag in flags)
    for i, flag in enumerate(flags):
        if is_long_opaque(flag) and any(letter in letters[i:] for letter in b"TN"):
            raise Unsuitable("memcached stops at the opaque")
    if b"T" not in letters:
        return
    if not any(flag[:2] in (b"MD", b"Md", b"M-") for flag in flags):
        raise Unsuitable("memcached sets T on the item that a longer number replaced")


class TextStream:
    """A connection of the text protocol."""

    def __init__(self, old, fresh=True):
        self.old, self.fresh = old, fresh      # fresh: the first byte decides on the protocol
        # Bytes of data that are missing, a begun line, closed, and what it has to do: see orders.py.
        self.state = (0, b"", False, None)

    @property
    def closed(self):
        return self.state[2]

    @property
    def work(self):
        return self.state[3]

    def is_amid(self):
        """Whether the server waits for the end of something."""
        return bool(self.state[0] or self.state[1])

    def feed(self, data, hold, alone):
        """The server reads on. `alone`: nothing else is in this step."""
        if self.fresh and data[:1] == b"\x80":
            raise Unsuitable("another protocol")
        need, line, closed, work = self.state
        self.fresh, at = False, 0
        while at < len(data) and not closed:
            if work:
                raise Unsuitable("more behind what has to be waited for")
            if need:
                taken = min(need, len(data) - at)
                if self.old and since.value_differs(data[at:at + taken]):
                    raise Unsuitable("a minus sign in a value")
                need -= taken
                at += taken
                continue
            end = data.find(b"\n", at)
            if end < 0:
                line += data[at:]
                break
            whole = line + data[at:end + 1]
            alone, at, line = alone and at == 0, end + 1, b""
            need, closed, work = self.take_line(whole, hold, alone)
            if need and names_id(whole) and data[at + need - 2:at + need] != b"\r\n":
                raise Unsuitable("memcached keeps the id for another store")
        if len(line) > LINE_MAX and not line.startswith((b"get ", b"gets ")):
            if not alone or line[:1] == b" ":
                raise Unsuitable("an endless line")
            closed = True
        if line and not closed and self.take_line(line + PAD_LINE, hold.copy(), False) != (0, False, None):
            raise Unsuitable("a begun line that is hard to end")
        self.state = need, line, closed, work

    def take_line(self, whole, hold, alone):
        """The bytes of data that follow a line, whether the server closes, and what work it has."""
        line = whole[:-2] if whole.endswith(b"\r\n") else whole[:-1]
        tokens = line.split(b" ")
        if b"" in tokens:
            tokens = [token for token in tokens if token]
        if not tokens:
            tokens = [b""]
        name = tokens[0]
        if len(whole) > LINE_MAX and name not in (b"get", b"gets"):
            raise Unsuitable("a long line")
        if self.old and since.text_differs(whole, line, tokens):
            raise Unsuitable("1.6.45 answers otherwise")
        if name in orders.ORDERS:
            return 0, False, self.give_order(tokens, alone)
        self.look_at_keys(name, tokens, hold, alone)
        if line[:1] != b" " and len(whole) >= 4:
            if name == b"quit":
                return 0, True, None
            if len(tokens) >= 2 and tokens[-1].startswith(b"HTTP/") and name not in KNOWN:
                if not alone:
                    raise Unsuitable("drops replies")
                return 0, True, None
        return self.data_after(line, name, tokens), False, None

    @staticmethod
    def give_order(tokens, alone):
        problem, work = orders.look(tokens, alone)
        if problem:
            raise Unsuitable(problem)
        return work

    def look_at_keys(self, name, tokens, hold, alone):
        if name in FETCHES:
            keys = tokens[FETCHES[name]:]
            if not alone and any(len(key) > KEY_MAX for key in keys):
                raise Unsuitable("takes replies back")
            hold.now.update(keys)
        elif name == b"mg" and len(tokens) > 1:
            check_mg(tokens[2:])
            hold.now.update(possible_keys(tokens))
        elif name in (b"incr", b"decr", b"ma") and len(tokens) > 1:
            if name == b"ma":
                check_ma(tokens[2:])
            hold.check_idle(possible_keys(tokens))
        elif name == b"flush_all" and len(tokens) > 1 and tokens[1] != b"noreply":
            expiry = number_i32(tokens[1])
            if expiry is None and tokens[1][:1] in b"+-0123456789" or (expiry or 0) > 0:
                raise Unsuitable("a flush to come")

    def data_after(self, line, name, tokens):
        at = 4 if name in STORES else 2 if name == b"ms" else 0
        if not at or len(tokens) <= at or line[:1] == b" ":
            return 0
        length = strict_number(tokens[at], -(1 << 31), (1 << 31) - 3)
        if tokens[at] == b"-":
            raise Unsuitable("a lone minus sign")
        if length is None or length < 0:
            return 0
        if name == b"ms" and any(not (65 <= token[0] <= 122 or token[:1].isdigit()) for token in tokens[3:]):
            return 0
        if length > DATA_MAX:
            raise Unsuitable("too much data")
        return length + 2

    def padding(self):
        """What brings the server back to the start of a line."""
        need, line, closed, _ = self.state
        if closed:
            return b""
        if need:
            return b"\r\n"[-need:] if need <= 2 else b"p" * (need - 2) + b"\r\n"
        return PAD_LINE if line else b""


class WatchStream:
    """A connection that asks once to watch, and then only hears."""

    closed, work = False, "watch"

    def __init__(self, _, fresh):
        self.fresh, self.state = fresh, None

    def is_amid(self):
        return False

    def feed(self, data, _, __):
        if not self.fresh or not WATCH.match(data):
            raise Unsuitable("only hears")
        self.fresh = False

    def padding(self):
        return b""


# Of an opcode: the lengths its extras may have, whether it wants a key (None: as you like), whether a value may be.
NO_KEY, KEY, ANY = False, True, None
SHAPES = {0x07: ((0,), NO_KEY, False), 0x17: ((0,), NO_KEY, False), 0x08: ((0, 4), NO_KEY, False),
          0x18: ((0, 4), NO_KEY, False), 0x0a: ((0,), NO_KEY, False), 0x0b: ((0,), NO_KEY, False),
          0x10: ((0,), ANY, False), 0x20: ((0,), NO_KEY, False), 0x21: ((0,), KEY, True), 0x22: ((0,), KEY, True)}
SHAPES.update({op: ((0,), KEY, False) for op in (0x00, 0x09, 0x0c, 0x0d, 0x04, 0x14)})
SHAPES.update({op: ((8,), KEY, True) for op in (0x01, 0x02, 0x03, 0x11, 0x12, 0x13)})
SHAPES.update({op: ((20,), KEY, False) for op in (0x05, 0x06, 0x15, 0x16)})
SHAPES.update({op: ((0,), KEY, True) for op in (0x0e, 0x0f, 0x19, 0x1a)})
SHAPES.update({op: ((4,), KEY, False) for op in (0x1c, 0x1d, 0x1e, 0x23, 0x24)})
LONG_STATISTICS = (b"reset", b"settings", b"detail on", b"detail off", b"detail dump")    # that may be longer
BINARY_FETCHES = {0x00, 0x09, 0x0c, 0x0d, 0x1c, 0x1d, 0x1e, 0x23, 0x24}
TOUCHES = {0x1c, 0x1d, 0x1e, 0x23, 0x24}


def has_shape(op, extras, key, value):
    lengths, wants_key, may_value = SHAPES[op]
    if extras not in lengths or key > KEY_MAX or (value and not may_value):
        return False
    return wants_key is None or wants_key == (key > 0)


class BinaryStream:
    """A connection of the binary protocol."""

    def __init__(self, old, fresh=True, most=DATA_MAX):
        self.old, self.fresh, self.most = old, fresh, most
        self.state = (b"", False)   # a begun packet, closed

    @property
    def closed(self):
        return self.state[1]

    work = None

    def is_amid(self):
        return bool(self.state[0])

    def feed(self, data, hold, alone):
        pending, closed = self.state
        pending += data
        at = 0
        while len(pending) - at >= HEADER.size and not closed:
            size, closed = self.take_packet(pending[at:], hold, alone and at == 0)
            if at + size > len(pending):
                break
            at += size
        if not closed and 0 < len(pending) - at < HEADER.size:
            raise Unsuitable("a part of a header")
        self.state, self.fresh = (pending[at:], closed), False

    def take_packet(self, data, hold, alone):
        """The length of a packet that may have arrived in part, and whether the server closes."""
        magic, op, key, extras, _, _, body, _, cas = HEADER.unpack_from(data)
        if self.fresh and magic != 0x80:
            raise Unsuitable("another protocol")
        if magic != 0x80 or key + extras > body or body > 1 << 30:
            partial = len(data) < HEADER.size + key + extras or key > 1000
            return self.fatal(alone, magic == 0x80 and (partial or (body > 1 << 30 and self.old)))
        if body > self.most or (op in (0x21, 0x22) and key + extras > 0):
            raise Unsuitable("too much data")
        value, size = body - key - extras, HEADER.size + body
        if op not in SHAPES:
            if key + extras:
                raise Unsuitable("memcached skips too much")
            return size, False
        if value and (op in TOUCHES or op == 0x10):
            raise Unsuitable("memcached leaves the value in the stream")
        if not has_shape(op, extras, key, value):
            return self.fatal(alone, len(data) < size or key > 1000)
        if op in (0x07, 0x17):
            return self.fatal(alone, False)
        if len(data) < HEADER.size + extras + key or (len(data) < size and not value):
            raise Unsuitable("a part of a key")
        if self.old and value and since.value_differs(data[HEADER.size + extras + key:size]):
            raise Unsuitable("a minus sign in a value")
        self.look_at_body(op, data[24:24 + extras], data[24 + extras:24 + extras + key], hold)
        return size, False

    @staticmethod
    def fatal(alone, unsuitable):
        if unsuitable or not alone:
            raise Unsuitable("fatal, and not alone")
        return 0, True

    @staticmethod
    def look_at_body(op, extras, key, hold):
        if op in BINARY_FETCHES:
            hold.now.add(key)
        elif op in (0x05, 0x06, 0x15, 0x16):
            hold.check_idle([key])
        elif op in (0x08, 0x18) and any(extras):
            raise Unsuitable("a flush to come")
        elif op == 0x10 and any(key != name and shortens(key, name) for name in LONG_STATISTICS):
            raise Unsuitable("memcached reads on behind the key")

    def padding(self):
        pending, closed = self.state
        if closed or not pending:
            return b""
        return b"\0" * (HEADER.size + HEADER.unpack_from(pending)[6] - len(pending))
