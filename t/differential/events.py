"""What a connection that watches is told, as units that can be compared: see replies.py."""
import re

LINE = re.compile(rb"ts=\d+\.\d{1,6} gid=(\d+) (.*)\Z", re.S)
# Of an item that there is not memcached shows what stands in memory.
OF_NOTHING = re.compile(rb"(ttl|clsid|cfd|size)=\d+")
# The time that an item has left when it has ended is shown without its sign, in 32 bits.
NEGATIVE_S = 1 << 31


def read(data, mark):
    """The units of all lines before those that tell of the key `mark`, in the order of what happened: a server sends
    what several threads did in any order. None if lines were left out."""
    if b"skipped=" in data:
        return None
    numbered, others = [], []
    for line in data.split(b"\n"):
        match = LINE.match(line)
        if match:
            numbered.append((int(match[1]), match[2]))
        elif line:
            others.append((line, (), (), None))
    numbered.sort()
    told = [line for _, line in numbered]
    ends = [i for i, line in enumerate(told) if b" key=%s " % mark in line]
    return others + [read_line(line) for line in told[:ends[0] if ends else None]]


def read_line(line):
    if b" status=too_large " in line:
        line = OF_NOTHING.sub(rb"\1=#", line)
    soft, tokens = (), line.split(b" ")
    for i, token in enumerate(tokens):
        name, _, value = token.partition(b"=")
        if name == b"cfd" or name == b"clsid" and value != b"0":
            tokens[i] = name + b"=#"
        elif name == b"ttl" and value.isdigit():
            seconds = int(value)
            soft, tokens[i] = (seconds if seconds < NEGATIVE_S else 0,), b"ttl=#"
    return b" ".join(tokens), (), soft, None
