"""Random dialogues. A seed gives the same dialogue each time.

Commands are made first and spoilt then: most are well-formed, some have a wrong length, a token too many or too few,
a wrong header. What may not be sent is refused by dialogue.Assembler, and another command comes instead. `old`
keeps clear of what a reference before 1.6.45 answers otherwise.

No key holds a minus sign; of numbers and values see since.value_differs().
"""
import base64
import random
import struct

import since
from dialogue import Assembler, Command, Ref
from framing import HEADER

ITEM_MAX = 1 << 20
ITEM_HEAD = 48 + 8 + 1 + 2          # of an item: header, CAS id, the key's NUL, the CR LF
CONNECTIONS = ("text", "text", "binary", "text text", "text binary", "text text binary", "binary binary")
WATCHED = 0.05                      # of the dialogues
CLIENT_IDS = 10 ** 17               # with E: far from what either server hands out
BORDERS = (1 << 16, ITEM_MAX // 2, ITEM_MAX)    # about there large values, chains, and what is refused begin
BORDER_JOINED = 0.04                # of the stores of values that are joined to then


class Keys:
    """The keys of all dialogues: `all` as bytes, `texts` those for the text protocol, `tokens` for meta commands."""

    def __init__(self):
        self.texts = [b"a", b"k1", b"k2", b"number", b"key:of:three", b":", b"caf\xc3\xa9", b"L" * 250, b"noreply_",
                      b"0"]
        self.bytes = [b"\x00\x01\x80", b"\xff\xfe\xfd\xfc", b"bin\tkey\x7f"]
        self.all = self.texts + self.bytes
        self.long = b"M" * 251
        self.encoded = {key: base64.b64encode(key) for key in self.all if len(key) < 180}
        self.tokens = self.texts + [self.encoded[key] + b" b" for key in self.bytes]


KEYS = Keys()
TTLS = (0,) * 10 + (1000, 100000, 2592000, 2147483647)
ENDED = (-1, 2592001, 1000000000, -2147483648)
ODD_NUMBERS = (b"12 ", b" 12", b"+5", b"1 2", b"0007", b"12a", b"0x1", b"-12", b"-0", b"9" * 20, b"1" * 40,
               b"0" * 60 + b"5",
               b"18446744073709551615", b"18446744073709551616", b"9223372036854775808")
LINES = (b"get a", b"a\r\nset k1 0 0 2\r\nhi", b"END\r\n", b"VALUE a 0 1\r\nx", b"HD c1 ka", b"mg a v\r\nmn\r\n",
         b"STORED\r\n\r\n", b"x\r\ndelete k1\r\nincr number 1\r\n")
ALPHABET = bytes(range(256))
DELTAS = (1, 1, 1, 2, 9, 10, 99, 1000, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
META_ARGUMENTS = b"NTRCEFDJMOPL"
META_FLAGS = {b"mg": (b"vvvstcfhlkkOquTNRb", b"CE"), b"ms": (b"TFCMIqOkkcbP", b"sNElhtfvDJ"),
              b"md": (b"CITqOkb", b"xEFstc"), b"ma": (b"NJDTMCqtcvvkOb", b"EIRxfs")}


class Generator:
    """One dialogue in the making."""

    def __init__(self, seed, old):
        self.dice, self.old, self.seed = random.Random(seed), old, seed
        self.kinds = self.dice.choice(CONNECTIONS).split()
        self.talkers = len(self.kinds)
        self.kinds += ["watch"] if self.dice.random() < WATCHED else []
        self.assembler = Assembler(self.kinds, old)
        self.favourites = self.dice.sample(KEYS.all, self.dice.randint(1, 6))
        self.sync = self.dice.choice((0.05, 0.15, 0.3, 0.6))    # how often replies are awaited
        self.rude = self.dice.choice((0.0, 0.02, 0.1, 0.3))     # how often commands are spoilt
        self.makers = self.choose_makers()

    def dialogue(self):
        count, connection = self.dice.randint(30, 200), 0
        if len(self.kinds) > self.talkers:
            self.watch()
        while count > 0:
            if self.dice.random() < 0.1:
                connection = self.dice.randrange(self.talkers)
            count -= 1
            for command in self.commands(connection):
                self.add(command)
        return self.assembler.finish(self.seed)

    def watch(self):
        """One more connection, which is told of what the others do."""
        kinds = [b"fetchers", b"mutations"] if self.old else [b"fetchers", b"mutations", b"deletions"]
        chosen = self.dice.sample(kinds, self.dice.randint(1, len(kinds)))
        self.add(Command(self.talkers, (b"watch " + b" ".join(chosen) + b"\r\n",)))

    def add(self, command):
        """Append a command; what does not fit into this step may do in the next."""
        if not self.assembler.add(command) and not command.sync:
            self.assembler.add(Command(command.connection, command.parts, True))

    def commands(self, connection):
        maker = self.dice.choice(self.makers if self.kinds[connection] == "text" else BINARY_MAKERS)
        for i, parts in enumerate(maker(self)):
            if self.dice.random() < self.rude:
                parts = spoil_text(self.dice, parts) if self.kinds[connection] == "text" else \
                    spoil_binary(self.dice, parts)
            yield Command(connection, tuple(parts), i > 0 or self.dice.random() < self.sync)

    def choose_makers(self):
        """A dialogue is classic, meta or both, or an administrator takes part."""
        return self.dice.choice((CLASSIC_MAKERS, META_MAKERS, CLASSIC_MAKERS + META_MAKERS,
                                 CLASSIC_MAKERS + META_MAKERS + ADMINISTRATIVE_MAKERS))

    # ---- parts of commands -----------------------------------------------------------------------------------------

    def key(self):
        return self.dice.choice(self.favourites if self.dice.random() < 0.9 else KEYS.all)

    def text_key(self):
        key = self.key()
        if key in KEYS.bytes:
            key = self.dice.choice(KEYS.texts)
        return KEYS.long if self.dice.random() < 0.005 else key

    def ttl(self):
        return self.dice.choice(ENDED if self.dice.random() < 0.04 else TTLS)

    def value(self, key=b""):
        """A value. None is all white: memcached looks for its number in what follows it in memory."""
        value = self.any_value(key)
        if self.old:
            value = since.tame_value(value)
        return b"white" if value.isspace() else value

    def any_value(self, key):
        dice = self.dice
        sort = dice.random()
        if sort < 0.35:
            return bytes(dice.choices(b"abcdefghij 0123456789", k=dice.randint(1, 30)))
        if sort < 0.65:
            return b"%d" % dice.randrange(10 ** dice.choice((1, 1, 2, 3, 6, 10, 19)))
        if sort < 0.72:
            return dice.choice(ODD_NUMBERS)
        if sort < 0.78:
            return b""
        if sort < 0.82:
            return dice.choice(LINES)
        if sort < 0.90:
            return bytes(dice.choices(ALPHABET, k=dice.randint(1, 200)))
        return self.long_value(key, sort)

    def long_value(self, key, sort):
        dice = self.dice
        if sort < 0.98:
            size = dice.randint(200, 3000)
        elif sort < 0.992:
            size = dice.randint(3000, 20000)
        elif sort < 0.997:
            size = dice.choice((1 << 17, 102400, 65536)) + dice.randint(-2, 2)
        elif sort < 0.999:
            size = dice.choice((ITEM_MAX // 2, ITEM_MAX // 4 * 3)) + dice.randint(-100, 100)
        else:
            size = ITEM_MAX - ITEM_HEAD - len(key) - dice.choice((0, 0, 4)) + dice.randint(-1, 1)
        word = b"%x." % dice.getrandbits(40)
        return (word * (size // len(word) + 1))[:size]

    def number(self):
        number = self.dice.choice(DELTAS)
        return since.tame_number(number) if self.old else number

    def id_parts(self, key, binary=False):
        """A CAS id to compare with: mostly one that was shown for this key."""
        sort = self.dice.random()
        if sort < 0.75:
            return [Ref(key, 0, binary)]
        if sort < 0.9:
            return [Ref(key, self.dice.randint(1, 3), binary)]
        number = self.dice.choice((0, 0, 1, (1 << 63) + 7, (1 << 64) - 1))
        return [struct.pack(">Q", number) if binary else b"%d" % number]

    def noreply(self, chance=0.12):
        return b" noreply\r\n" if self.dice.random() < chance else b"\r\n"


# ---- classic commands ------------------------------------------------------------------------------------------------

def data_with_length(maker, key):
    """A value with its CR LF, and the length to declare for it, which is seldom wrong."""
    value = maker.value(key)
    length = len(value)
    if value and maker.dice.random() < maker.rude / 4:
        length = max(0, length + maker.dice.choice((-5, -3, -2, -1, 1, 2, 3, 5, 20, 100)))
    return value + b"\r\n", length


def make_store(maker, name=None):
    name = name or maker.dice.choice((b"set", b"set", b"set", b"set", b"add", b"replace", b"append", b"prepend"))
    key = maker.text_key()
    data, length = data_with_length(maker, key)
    flags = maker.dice.choice((b"0", b"0", b"0", b"1", b"5", b"123456", b"4294967295", b"4294967296", b"+7"))
    head = b"%s %s %s %d %d" % (name, key, flags, maker.ttl(), length)
    return [[head + maker.noreply() + data]]


def make_join_at_border(maker):
    """What grows at either end over a border, and is looked at. It costs much, so it comes seldom."""
    if maker.dice.random() >= BORDER_JOINED:
        return make_store(maker)
    key, dice = maker.text_key(), maker.dice
    size = dice.choice(BORDERS) - ITEM_HEAD - len(key) + dice.randint(-20, 60)
    word, more = b"%x," % dice.getrandbits(40), b"+" * dice.randint(1, 60)
    value = (word * (size // len(word) + 1))[:size]
    return [[b"set %s %d 0 %d\r\n%s\r\n" % (key, dice.choice((0, 7)), size, value)],
            [b"%s %s 0 0 %d\r\n%s\r\n" % (dice.choice((b"append", b"prepend")), key, len(more), more)],
            [b"incr %s 1\r\n" % key], [b"get %s\r\n" % key]]


def make_store_large_time(maker):
    key, when = maker.text_key(), maker.dice.choice((b"4294967296", b"4294967295", b"2147483648", b"+1000", b"99999"))
    return [[b"set %s 0 %s 1\r\nx\r\n" % (key, when)]]


def make_cas(maker):
    key = maker.text_key()
    data, length = data_with_length(maker, key)
    head = b"cas %s %d %d %d " % (key, maker.dice.choice((0, 0, 3)), maker.ttl(), length)
    return [[head, *maker.id_parts(key), maker.noreply() + data]]


def make_gets_and_cas(maker):
    key = maker.text_key()
    return [[b"gets %s\r\n" % key], [b"cas %s 0 0 3 " % key, *maker.id_parts(key), b"\r\ncas\r\n"]]


def make_get(maker):
    name = maker.dice.choice((b"get", b"get", b"gets", b"gat", b"gats"))
    count = maker.dice.choice((1, 1, 1, 1, 2, 3, 5, 20))
    if maker.dice.random() < 0.003 and name in (b"get", b"gets"):
        count = 700
    if name in (b"gat", b"gats"):
        name += b" %d" % maker.ttl()
    return [[name + b" " + b" ".join(maker.text_key() for _ in range(count)) + b"\r\n"]]


def make_delete(maker):
    return [[b"delete %s" % maker.text_key() + maker.noreply()]]


def make_arithmetic(maker):
    name = maker.dice.choice((b"incr", b"incr", b"decr"))
    return [[b"%s %s %d" % (name, maker.text_key(), maker.number()) + maker.noreply()]]


def make_counter(maker):
    """A number, and arithmetic upon it."""
    key = maker.text_key()
    number = maker.dice.choice((b"0", b"9", b"10", b"99", b"100", b"1000000", b"18446744073709551615", b"5   "))
    number = since.tame_value(number) if maker.old else number
    return [[b"set %s %d 0 %d\r\n%s\r\n" % (key, maker.dice.choice((0, 8)), len(number), number),
             b"%s %s %d\r\n" % (maker.dice.choice((b"incr", b"decr")), key, maker.number()),
             b"%s %s %d\r\n" % (maker.dice.choice((b"incr", b"decr")), key, maker.number()),
             b"gets %s\r\n" % key]]


def make_touch(maker):
    return [[b"touch %s %d" % (maker.text_key(), maker.ttl()) + maker.noreply()]]


def make_plain(maker):
    line = maker.dice.choice((b"mn", b"version", b"verbosity 0", b"verbosity 1", b"flush_all", b"flush_all 0",
                              b"flush_all noreply", b"flush_all abc", b"unknown command", b"GET a", b"quit",
                              b"GET / HTTP/1.0", b"verbosity 0 noreply", b"x" * 40, b"ab", b"get", b"set a 0 0",
                              b"incr a", b"touch a", b"\r\n\r", b"delete", b"set a 0 0 abc", b"set a 0 0 -1",
                              b"set a 0 0 2147483646", b"set a b c d", b"gat abc a", b"flush_all 0 noreply"))
    if line.startswith(b"flush_all") and maker.dice.random() < 0.5 or line == b"quit" and maker.dice.random() < 0.8:
        line = b"mn"
    return [[line + b"\r\n"]]


def make_endless(maker):
    if maker.dice.random() < 0.9:
        return make_plain(maker)
    return [[maker.dice.choice((b"set ", b"x", b"mg ", b"gat 0 ")) * 1000]]


# ---- meta commands -------------------------------------------------------------------------------------------------

def meta_key(maker):
    """The key token, the key itself, and whether the token is base64."""
    key = maker.key()
    if key in KEYS.encoded and (key in KEYS.bytes or maker.dice.random() < 0.1):
        return KEYS.encoded[key], key, True
    return (KEYS.long, key, False) if maker.dice.random() < 0.004 else (key, key, False)


def meta_flags(maker, name, key, encoded, mode=None):
    """The flags of a command as a list of lists of parts."""
    letters, more = META_FLAGS[name]
    chosen = maker.dice.sample(sorted(set(letters)), maker.dice.choice((0, 1, 2, 2, 3, 4, 5, 8)) % len(set(letters)))
    if not maker.old and maker.dice.random() < 0.3:
        chosen.append(maker.dice.choice(more))
    chosen = [letter for letter in chosen if letter != 0x62] + ([0x62] if encoded else [])
    if 0x63 in chosen and 0x6b not in chosen and maker.dice.random() < 0.8:
        chosen.append(0x6b)     # an id is of use if the key is known
    maker.dice.shuffle(chosen)
    return [meta_flag(maker, bytes((letter,)), name, key, mode) for letter in chosen]


def meta_flag(maker, letter, name, key, mode):
    dice = maker.dice
    if letter == b"O":
        return [b"O" + b"q" * dice.choice((0, 1, 5, 31, 31, 32))]
    if letter in b"PL":
        return [letter + b"x"]
    if letter == b"M":
        modes = b"EAPRSeapsrX" if name == b"ms" else b"IDidID+x"
        return [b"M" + (mode or dice.choice([modes[i:i + 1] for i in range(len(modes))]))]
    if letter in b"TN":
        return [b"%s%d" % (letter, maker.ttl())]
    if letter == b"R":
        return [b"R%d" % dice.choice((0, 10, 50000, 1000000))]
    if letter == b"C":
        return [b"C", *maker.id_parts(key)]
    if letter == b"E":
        return [b"E%d" % (0 if dice.random() < 0.1 else CLIENT_IDS + dice.getrandbits(50))]
    if letter == b"F":
        return [b"F%d" % dice.choice((0, 1, 77, 4294967295))]
    if letter in b"DJ":
        return [b"%s%d" % (letter, maker.number())]
    return [letter]


def join(head, flags, tail):
    parts = [head]
    for flag in flags:
        parts += [b" "] + flag
    return [merge(parts + [tail])]


def merge(parts):
    """The parts with neighbouring bytes joined."""
    merged = []
    for part in parts:
        if merged and isinstance(part, bytes) and isinstance(merged[-1], bytes):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def make_meta_line(maker, name):
    token, key, encoded = meta_key(maker)
    return join(b"%s %s" % (name, token), meta_flags(maker, name, key, encoded), b"\r\n")


def make_mg(maker):
    return make_meta_line(maker, b"mg")


def make_md(maker):
    return make_meta_line(maker, b"md")


def make_ma(maker):
    return make_meta_line(maker, b"ma")


def make_me(maker):
    return [[b"me %s\r\n" % maker.text_key()]]


def make_ms(maker):
    token, key, encoded = meta_key(maker)
    data, length = data_with_length(maker, key)
    return join(b"ms %s %d" % (token, length), meta_flags(maker, b"ms", key, encoded), b"\r\n" + data)


def shown_id(maker, key, encoded, token):
    return [b"mg %s c k%s\r\n" % (token, b" b" if encoded else b"")]


def make_compare(maker):
    """Ask for the id, then use it, perhaps after a change."""
    token, key, encoded = meta_key(maker)
    tail = [b" b"] if encoded else []
    change = [b"ms %s 1 c k%s\r\ny\r\n" % (token, b" b" if encoded else b"")]
    use = maker.dice.choice((
        [b"ms %s 2 c k " % token, b"C", Ref(key, 0), *tail, b"\r\nms\r\n"],
        [b"ms %s 2 c k I T1000 " % token, b"C", Ref(key, 1), *tail, b"\r\nms\r\n"],
        [b"ms %s 2 c k I " % token, b"C", *maker.id_parts(key), *tail, b"\r\nms\r\n"],
        [b"md %s q " % token, b"C", Ref(key, 0), *tail, b"\r\n"],
        [b"md %s I k " % token, b"C", *maker.id_parts(key), *tail, b"\r\n"],
        [b"ma %s v c k " % token, b"C", *maker.id_parts(key), *tail, b"\r\n"]))
    look = [b"mg %s v c k t f s h%s\r\n" % (token, b" b" if encoded else b"")]
    return [shown_id(maker, key, encoded, token), change, merge(use), look]


def make_stale(maker):
    """An item is made invalid, and several come for it."""
    token, _, encoded = meta_key(maker)
    b = b" b" if encoded else b""
    marks = [b"md %s I%s\r\n", b"md %s I T1000%s\r\n", b"mg %s N1000 v%s\r\n", b"mg %s R50000%s\r\n"]
    if not maker.old:
        marks.append(b"md %%s I E%d%%s\r\n" % (CLIENT_IDS + maker.dice.getrandbits(50)))
    mark = maker.dice.choice(marks)
    return [[mark % (token, b)]] + [[b"mg %s c v t k%s\r\n" % (token, b)] for _ in range(maker.dice.randint(1, 3))]


# ---- what administrators say -----------------------------------------------------------------------------------------

STATISTICS = (b"", b"", b"", b" settings", b" items", b" slabs", b" sizes", b" conns", b" reset", b" detail on",
              b" detail on", b" detail off", b" detail dump", b" detail dump", b" detail", b" detail o", b" extstore",
              b" nothing", b" cachedump", b" cachedump 1", b" cachedump 1 0", b" cachedump 39 1", b" cachedump 300 1",
              b" cachedump a 1", b" r", b" d d", b" s", b" item", b" conn", b" cachedum 1 1", b" resett",
              b" sizes_enable")
LIMITS = (b"", b" 1024", b" 1025", b" 4096", b" 7", b" 0", b" 1000000001", b" 4294967295")
CRAWLS = (b"", b" enable", b" enable", b" enable", b" disable", b" sleep", b" sleep 0", b" sleep 50", b" sleep 1000001",
          b" tocrawl", b" tocrawl 0", b" tocrawl 3", b" tocrawl 4294967295", b" crawl", b" crawl all", b" crawl 1",
          b" crawl 1,2,39", b" crawl 0", b" crawl 1000", b" crawl ,", b" crawl hash", b" crawl al", b" metadump",
          b" metadump all", b" metadump all", b" metadump all", b" metadump hash", b" metadump 0", b" metadump a",
          b" metadump ,", b" mgdump all", b" mgdump hash", b" mgdump 0", b" mgdump", b" e", b" d", b" nothing")
PAGES = (b"slabs", b"slabs reassign", b"slabs reassign 1", b"slabs reassign 1 1", b"slabs reassign 1 1000",
         b"slabs reassign 0 5", b"slabs reassign -1 -1", b"slabs reassign -2 3", b"slabs reassign 1 2 3",
         b"slabs reassign a 2", b"slabs automove", b"slabs automove 3", b"slabs automove -1", b"slabs automove ratio",
         b"slabs automove ratio a", b"slabs automove window", b"slabs automove window 2", b"slabs automove window 1801",
         b"slabs automove freeratio", b"slabs nothing", b"lru", b"lru mode", b"lru mode flat", b"lru mode segmented",
         b"lru tune", b"lru tune 20 40 0.2", b"lru tune 20 40 0.2 2.0", b"lru tune 0 80 1.25 3 more",
         b"lru tune 41 40 0.2 2", b"lru tune 20 40 0 2", b"lru tune 20 40 0.2 0.0", b"lru temp_ttl", b"lru temp_ttl 60", b"lru nothing")
REST = (b"verbosity", b"verbosity 0", b"verbosity 1", b"verbosity 2", b"verbosity 4294967295", b"watch nothing",
        b"watch fetchers nothing", b"shutdown nothing", b"shutdown now", b"refresh_certs", b"extstore",
        b"extstore nothing 1", b"debugtime 1", b"misbehave", b"flush_all", b"flush_all -1", b"flush_all 0 0",
        b"version")
NOISE = (b"noreply", b"noreply", b"noreply", b"0", b"1", b"-1", b"+1", b"12a", b"1.5", b"-", b"00000000001",
         b"000000000001", b"4294967295", b"4294967296", b"2147483648", b"9" * 23, b"x" * 300, b"all", b"", b"\x01",
         b"1,2")


def order(maker, line):
    """A line that is perhaps longer, shorter or other than it ought to be."""
    tokens = line.split(b" ")
    if maker.dice.random() < 0.3:
        for _ in range(maker.dice.choice((1, 1, 1, 2, 25))):
            tokens.insert(maker.dice.randint(1, len(tokens)), maker.dice.choice(NOISE))
    if maker.dice.random() < 0.05:
        tokens.insert(0, b"")
    return [[b" ".join(tokens) + b"\r\n"]]


def make_statistics(maker):
    return order(maker, b"stats" + maker.dice.choice(STATISTICS))


def make_limit(maker):
    return order(maker, b"cache_memlimit" + maker.dice.choice(LIMITS))


def make_crawl(maker):
    return order(maker, b"lru_crawler" + maker.dice.choice(CRAWLS))


def make_order(maker):
    return order(maker, maker.dice.choice(PAGES + REST))


# ---- what spoils a line ------------------------------------------------------------------------------------------

def spoil_text(dice, parts):
    """The first line of a command with a mistake in it."""
    head, rest = parts[0], list(parts[1:])
    if not isinstance(head, bytes):
        return parts
    line, end, data = head.partition(b"\r\n")
    tokens = line.split(b" ")
    if not rest:
        return [dice.choice(SPOILERS)(dice, tokens, end, data)]
    if len(tokens) < 2:
        return parts
    # A Ref follows, and what stands before it stays there: the number means nothing elsewhere.
    before = dice.choice((spoil_replace, spoil_case, spoil_spaces))(dice, tokens[:-1], b"", b"")
    return [before + b" " + tokens[-1]] + rest


def spoil_drop(dice, tokens, end, data):
    tokens.pop(dice.randrange(len(tokens)))
    return b" ".join(tokens) + end + data


def spoil_insert(dice, tokens, end, data):
    more = (b"noreply", b"0", b"1", b"q", b"v", b"zz", b"", b"", b"k", b"W", b"!", b"Mx", b"12345678901")
    tokens.insert(dice.randint(0, len(tokens)), dice.choice(more))
    return b" ".join(tokens) + end + data


def spoil_replace(dice, tokens, end, data):
    other = (b"abc", b"-1", b"99999999999999999999999", b"1.5", b"0x10", b"12a", b"M" * 251, b"M" * 250, b"\x01", b"q")
    tokens[dice.randrange(len(tokens))] = dice.choice(other)
    return b" ".join(tokens) + end + data


def spoil_case(dice, tokens, end, data):
    tokens[0] = tokens[0].swapcase()
    return b" ".join(tokens) + end + data


def spoil_spaces(dice, tokens, end, data):
    return dice.choice((b"  ", b"   ")).join(tokens) + dice.choice((b"", b" ", b"   ")) + end + data


def spoil_end(dice, tokens, end, data):
    return b" ".join(tokens) + dice.choice((b"\n", b"\n", b"\r\r\n", b"\t\r\n", b"")) + data


def spoil_data(dice, tokens, end, data):
    if not data:
        return b" ".join(tokens) + end
    return b" ".join(tokens) + end + dice.choice((data[:-2] + b"\n\n", data[:-2] + b"xx", data[:-1] + b"\r",
                                                 data[:-2], data + b"\r\n", b"z" + data, data[1:]))


def spoil_double(dice, tokens, end, data):
    at = dice.randrange(len(tokens))
    tokens.insert(at, tokens[at])
    return b" ".join(tokens) + end + data


SPOILERS = (spoil_drop, spoil_insert, spoil_replace, spoil_case, spoil_spaces, spoil_end, spoil_data, spoil_data,
            spoil_double)


# ---- the binary protocol ---------------------------------------------------------------------------------------------

def packet(maker, op, key=b"", extras=b"", value=b"", cas=None):
    """The parts of a packet. The last byte of its opaque is the number of the key."""
    number = KEYS.all.index(key) if key in KEYS.all else 0xfe
    opaque = maker.dice.getrandbits(16) << 8 | number
    head = struct.pack(">BBHBBHII", 0x80, op, len(key), len(extras), 0, 0, len(extras) + len(key) + len(value), opaque)
    body = extras + key + value
    if cas is None:
        return [head + b"\0" * 8 + body]
    return merge([head, *cas, body])


def binary_cas(maker, key, chance=0.3):
    return maker.id_parts(key, True) if maker.dice.random() < chance else None


def binary_key(maker):
    return KEYS.long if maker.dice.random() < 0.002 else maker.key()


def binary_ttl(maker):
    return struct.pack(">I", max(0, maker.ttl()))


def make_binary_get(maker):
    return [packet(maker, maker.dice.choice((0x00, 0x00, 0x09, 0x0c, 0x0d)), binary_key(maker))]


def make_binary_store(maker):
    key = binary_key(maker)
    op = maker.dice.choice((0x01, 0x01, 0x01, 0x02, 0x03, 0x11, 0x11, 0x12, 0x13))
    extras = struct.pack(">I", maker.dice.choice((0, 0, 1, 0xdeadbeef))) + binary_ttl(maker)
    return [packet(maker, op, key, extras, maker.value(key), binary_cas(maker, key))]


def make_binary_join(maker):
    key = binary_key(maker)
    op = maker.dice.choice((0x0e, 0x0f, 0x19, 0x1a))
    return [packet(maker, op, key, b"", maker.value(key), binary_cas(maker, key))]


def make_binary_delete(maker):
    key = binary_key(maker)
    return [packet(maker, maker.dice.choice((0x04, 0x14)), key, cas=binary_cas(maker, key))]


def make_binary_arithmetic(maker):
    key = binary_key(maker)
    create = maker.dice.choice((b"\xff\xff\xff\xff", binary_ttl(maker)))
    extras = struct.pack(">QQ", maker.number(), maker.number()) + create
    return [packet(maker, maker.dice.choice((0x05, 0x06, 0x15, 0x16)), key, extras, cas=binary_cas(maker, key, 0.15))]


def make_binary_touch(maker):
    op = maker.dice.choice((0x1c, 0x1d, 0x1e, 0x23, 0x24))
    return [packet(maker, op, binary_key(maker), binary_ttl(maker))]


def make_binary_plain(maker):
    op = maker.dice.choice((0x0a, 0x0a, 0x0a, 0x0b, 0x0b, 0x08, 0x18, 0x07, 0x17, 0x1b, 0x1f, 0x20, 0x25, 0x30, 0x3d,
                            0xff, 0x10, 0x21))
    if op in (0x08, 0x18):
        op = maker.dice.choice((op, 0x0a))
        return [packet(maker, op, extras=maker.dice.choice((b"", b"\0\0\0\0")) if op != 0x0a else b"")]
    if op == 0x10:
        return [packet(maker, op, maker.dice.choice((b"reset", b"nothing")))]
    if op in (0x1b, 0x30, 0xff):
        return [packet(maker, op, value=maker.dice.choice((b"", b"some value")))]
    return [packet(maker, op)]


def make_binary_statistics(maker):
    kinds = (b"", b"", b"settings", b"reset", b"items", b"slabs", b"sizes", b"detail on", b"detail off", b"detail dump",
             b"detailed", b"conns", b"cachedump 1 0", b"resetting", b"settings x", b"item", b"detail onx",
             b"slabs 1", b"SLABS", b"reset ", b"extstore", b"detail dump ", b" items", b"itemsx", b"sizesx")
    return [packet(maker, 0x10, maker.dice.choice(kinds))]


def make_binary_order(maker):
    """VERBOSITY and FLUSH, of the right form and of others."""
    op = maker.dice.choice((0x1b, 0x1b, 0x08, 0x18, 0x0b))
    extras = maker.dice.choice((b"", b"", b"\0\0\0\0", b"\0\0\0\1", b"\0", b"\0" * 8))
    key, value = maker.dice.choice((b"", b"", b"", b"a")), maker.dice.choice((b"", b"", b"", b"v"))
    return [packet(maker, op, key, extras, value)]


def make_binary_counter(maker):
    key = maker.key()
    create = packet(maker, maker.dice.choice((0x05, 0x06)), key, struct.pack(">QQI", 3, maker.number(), 0))
    again = packet(maker, maker.dice.choice((0x05, 0x06)), key, struct.pack(">QQI", maker.number(), 0, 0xffffffff))
    return [create, again, packet(maker, 0x00, key)]


def make_binary_compare(maker):
    key = maker.key()
    store = packet(maker, maker.dice.choice((0x01, 0x02, 0x03, 0x0e)), key, b"", b"", [Ref(key, 0, True)])
    if store[0][1] != 0x0e:
        store = packet(maker, store[0][1], key, b"\0" * 8, b"compared", [Ref(key, 0, True)])
    return [packet(maker, 0x00, key), store, packet(maker, maker.dice.choice((0x00, 0x04)), key)]


def spoil_binary(dice, parts):
    """A packet with a wrong header; what that is mostly ends the connection."""
    if len(parts[0]) < 16 or dice.random() < 0.6:
        return parts
    head, rest = bytearray(parts[0][:16]), parts[0][16:]
    at = dice.choice((0, 1, 1, 1, 3, 4, 5, 6, 7, 11, 11))
    head[at] = dice.choice((head[at] ^ 1, (head[at] + 1) & 255, (head[at] - 1) & 255, dice.getrandbits(8)))
    return [bytes(head) + rest] + list(parts[1:])


CLASSIC_MAKERS = (make_store,) * 7 + (make_join_at_border,) + (make_get,) * 7 + (make_cas, make_gets_and_cas, make_gets_and_cas) + \
    (make_delete,) * 2 + (make_arithmetic,) * 3 + (make_counter, make_touch, make_touch, make_plain,
                                                  make_store_large_time, make_endless)
META_MAKERS = (make_mg,) * 7 + (make_ms,) * 7 + (make_md,) * 2 + (make_ma,) * 4 + \
    (make_compare, make_compare, make_stale, make_stale, make_me, make_plain)
ADMINISTRATIVE_MAKERS = (make_statistics,) * 7 + (make_crawl,) * 5 + (make_limit,) + (make_order,) * 4
BINARY_MAKERS = (make_binary_get,) * 6 + (make_binary_store,) * 6 + (make_binary_join,) * 2 + \
    (make_binary_delete,) * 2 + (make_binary_arithmetic,) * 3 + (make_binary_touch,) * 2 + \
    (make_binary_plain,) * 2 + (make_binary_counter, make_binary_compare, make_binary_compare, make_binary_statistics,
                                make_binary_order)


def generate(seed, old):
    return Generator(seed, old).dialogue()
