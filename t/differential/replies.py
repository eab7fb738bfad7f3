"""Replies of a server as units that can be compared.

A unit is (shape, ids, soft, key): the bytes of one reply with `#` for each CAS id and each number that moves with
time; these apart; and the key, where the reply tells it. CAS ids are compared by their relations (class Ids), times
with a tolerance. An id of 0 is no id and stays in the shape.
"""
import base64
import itertools
import struct

import figures

HEADER = struct.Struct(">BBHBBHIIQ")
META = {b"HD", b"VA", b"EN", b"NF", b"NS", b"EX"}
# Both clocks tick in whole seconds, at other moments; and memcached's is late on a busy machine.
TOLERANCE_S = 2
# memcached shows the time since an item ended as a negative number of 32 bits, without its sign.
NEGATIVE_S = 1 << 31


class Ids:
    """Which id of the reference is which of larder's."""

    def __init__(self):
        self.pairs, self.back = {}, {}
        self.by_key = {}        # key: [(reference, larder), ...], the latest last

    def same(self, reference, larder, key):
        """Whether both may be the same id: known as a pair, or new on both sides."""
        if reference in self.pairs:
            good = self.pairs[reference] == larder
        else:
            good = larder not in self.back
            self.pairs[reference] = larder
            self.back[larder] = reference
        if good and key is not None:
            shown = self.by_key.setdefault(key, [])
            if not shown or shown[-1] != (reference, larder):
                shown.append((reference, larder))
        return good


# ---- text ----------------------------------------------------------------------------------------------------------

def read_value_line(line):
    """Of a VALUE line: its shape, ids, key, and how many bytes follow."""
    tokens = line.split(b" ")
    if len(tokens) < 4 or not tokens[3].isdigit():
        return line, (), None, None
    ids = ()
    if len(tokens) > 4:
        ids, tokens[4] = (int(tokens[4]),), b"#"
    return b" ".join(tokens), ids, tokens[1], int(tokens[3])


def read_meta_line(line):
    """Of a reply of a meta command: its shape, ids, soft numbers, key, and how many bytes follow or None."""
    tokens = line.split(b" ")
    ids, soft, key = (), (), None
    length = int(tokens[1]) if tokens[0] == b"VA" and tokens[1].isdigit() else None
    for i in range(1 if length is None else 2, len(tokens)):
        letter, rest = tokens[i][:1], tokens[i][1:]
        if letter == b"c" and rest.isdigit() and rest != b"0":
            ids, tokens[i] = ids + (int(rest),), b"c#"
        elif letter in (b"t", b"l") and rest.isdigit():
            seconds = int(rest)
            soft, tokens[i] = soft + (seconds if seconds < NEGATIVE_S else 0,), letter + b"#"
        elif letter == b"k":
            key = rest
        elif tokens[i] == b"b" and key is not None:
            key = base64.b64decode(key)
    return b" ".join(tokens), ids, soft, key, length


def read_debug_line(line):
    """Of a reply to `me`: the times are soft (an old reference has their sign wrong); class and size are layout."""
    tokens, ids, soft = line.split(b" "), (), ()
    for i in range(2, len(tokens)):
        name, _, number = tokens[i].partition(b"=")
        if name in (b"exp", b"la"):
            soft, tokens[i] = soft + (abs(int(number)),), name + b"=#"
        elif name == b"cas":
            ids, tokens[i] = (int(number),), b"cas=#"
        elif name in (b"cls", b"size"):
            tokens[i] = name + b"=#"
    return b" ".join(tokens), ids, soft, tokens[1]


# Lines that are not compared one by one: how they begin, and what makes units of those that follow each other.
RUNS = ((b"STAT ", b"\r\n", lambda lines, old: figures.read_stats(map(split_figure, lines), old)),
        (b"PREFIX ", b"\r\n", lambda lines, _: figures.read_prefixes(lines)),
        (b"ITEM ", b"\r\n", lambda lines, _: figures.read_cached(lines)),
        (b"mg ", b"\r\n", lambda lines, _: figures.read_keys(lines)),
        (b"key=", b"\n", figures.read_dumped))


def split_figure(line):
    name, _, value = line[5:].partition(b" ")
    return name, value


def read_run(data, at, old):
    """Units of the lines at this place that belong together, and where they end; nothing, if there are none."""
    for begin, end, read in RUNS:
        lines = []
        while data.startswith(begin, at) and data.find(end, at) >= 0:
            stop = data.find(end, at)
            lines.append(data[at:stop])
            at = stop + len(end)
        if lines:
            return read(lines, old), at
    return None, at


def read_text(data, old):
    """The units of what a text connection sent."""
    units, at, end = [], 0, len(data)
    while at < end:
        run, at = read_run(data, at, old)
        if run is not None:
            units += run
            continue
        stop = data.find(b"\r\n", at)
        if stop < 0:
            units.append((data[at:] + b"<cut>", (), (), None))
            break
        line, at = data[at:stop], stop + 2
        ids, soft, key, length = (), (), None, None
        if line[:6] == b"VALUE ":
            line, ids, key, length = read_value_line(line)
        elif line[:2] in META and line[2:3] == b" ":
            line, ids, soft, key, length = read_meta_line(line)
        elif line[:3] == b"ME ":
            line, ids, soft, key = read_debug_line(line)
        if length is not None:
            line, at = line + b"\r\n" + data[at:at + length + 2], at + length + 2
        units.append((line, ids, soft, key))
    return units


# ---- binary --------------------------------------------------------------------------------------------------------

STATISTIC = b"\0"   # begins the shape of one; then the opaque and the text

def read_statistics(data, at, old):
    """Units of packets at this place that tell a statistic each, and where they end; nothing, if there are none."""
    pairs, units = [], []
    head = data[at + 12:at + 16]
    while data[at:at + 2] == b"\x81\x10" and len(data) >= at + HEADER.size:
        _, _, key, extras, _, status, body, _, _ = HEADER.unpack_from(data, at)
        if not key or extras or status or len(data) < at + HEADER.size + body:
            break
        name = data[at + HEADER.size:at + HEADER.size + key]
        value = data[at + HEADER.size + key:at + HEADER.size + body]
        at += HEADER.size + body
        if name == b"detailed":
            units += figures.read_prefixes(value.split(b"\r\n"))
        else:
            pairs.append((name, value))
    units += figures.read_stats(pairs, old)
    return [(STATISTIC + head + shape, ids, soft, key) for shape, ids, soft, key in units], at


def read_binary(data, keys, old):
    """The units of what a binary connection sent; the last byte of an opaque is the number of the key."""
    units, at = [], 0
    while at < len(data):
        if data[at + 1:at + 2] == b"\x10":
            told, at = read_statistics(data, at, old)
            if told:
                units += told
                continue
        if len(data) - at < HEADER.size:
            units.append((data[at:] + b"<cut>", (), (), None))
            break
        body, cas = struct.unpack_from(">I", data, at + 8)[0], struct.unpack_from(">Q", data, at + 16)[0]
        number = data[at + 15]
        shape = data[at:at + 16] + (b"#" if cas else b"0") + data[at + 24:at + 24 + body]
        units.append((shape, (cas,) if cas else (), (), keys[number] if number < len(keys) else None))
        at += HEADER.size + body
    return units


def render_binary(shape):
    if shape[:1] == STATISTIC:
        return "op=10 opaque=%s %s" % (shape[1:5].hex(), repr(shape[5:])[2:-1])
    if len(shape) < 17:
        return repr(shape)[2:-1]
    _, op, key, extras, kind, status, body, opaque = struct.unpack(">BBHBBHII", shape[:16])
    return "op=%02x status=%02x key=%d extras=%d type=%d body=%d opaque=%08x cas=%s %s" % (
        op, status, key, extras, kind, body, opaque, chr(shape[16]), repr(shape[17:])[2:-1])


# ---- comparing -----------------------------------------------------------------------------------------------------

def render(unit, kind):
    """A unit to read: its shape, without the quotes."""
    if unit is None:
        return "<nothing>"
    text = repr(unit[0])[2:-1] if kind == "text" else render_binary(unit[0])
    numbers = "".join(" %s=%s" % (name, ",".join(map(str, of)))
                      for name, of in (("ids", unit[1]), ("s", unit[2])) if of)
    return text + (" {%s }" % numbers if numbers else "")


def same_unit(reference, larder, ids, allowed, kind):
    if reference[0] != larder[0]:
        return allowed.match(render((reference[0], (), ()), kind), render((larder[0], (), ()), kind))
    for one, other in zip(reference[2], larder[2]):
        if abs(one - other) > TOLERANCE_S:
            return False
    good = True
    for one, other in zip(reference[1], larder[1]):
        good = ids.same(one, other, reference[3]) and good
    return good


def compare(reference, larder, ids, allowed, kind):
    """None if the units are the same; else the number of the first that is not."""
    if sum(map(figures.is_of_items, reference)) != sum(map(figures.is_of_items, larder)):
        reference, larder = (list(itertools.filterfalse(figures.is_of_items, units)) for units in (reference, larder))
    for i in range(max(len(reference), len(larder))):
        if i >= len(reference) or i >= len(larder):
            return i
        if not same_unit(reference[i], larder[i], ids, allowed, kind):
            return i
    return None
