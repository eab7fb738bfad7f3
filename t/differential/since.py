"""What a reference before 1.6.45 is known to answer otherwise: the one switch that keeps the generator clear of it.

text_differs() is asked for each line as a server reads it, unless the reference is 1.6.45 or newer. It says yes
where in doubt. What it knows was found with 1.6.18; the reasons are those of t/wire/DIFFERENCES, section by
section: missing or more arguments, numbers in other than plain form, noreply after a mistake, what swallows its
data, flags of meta commands, short lines, leading spaces and NUL.
"""
import re

PLAIN = re.compile(rb"(?:0|[1-9]\d{0,9}|-[1-9]\d{0,8})\Z")       # of 32 bits, perhaps; see small()
WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9]*\Z")
LENIENT_FLAGS = re.compile(rb"\+?\d{1,19}\Z")
LENIENT_TIME = re.compile(rb"[+-]?\d{1,18}\Z")
DIGITS = re.compile(rb"\d{1,20}\Z")
BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")
NOREPLY = b"noreply"
KEY_MAX = 250
STORE_TOKENS = {b"set": 5, b"add": 5, b"replace": 5, b"append": 5, b"prepend": 5, b"cas": 6}
META_FLAGS = {b"mg": b"bNTRlOPLkstcfvhuq", b"ms": b"bTFCMIqOPLkc", b"md": b"bCITqOkPL", b"ma": b"bNJDTCMqtcvkO"}
META_TOKENS = 18
TOKENS_MAX = 23
NUMBERS = b"NTRCFDJ"


def small(token):
    """A number of 32 bits that all read alike, or a word that none takes for one."""
    if WORD.match(token):
        return token != NOREPLY
    return PLAIN.match(token) is not None and -(1 << 31) <= int(token) < 1 << 31


def large(token):
    return DIGITS.match(token) is not None and int(token) < 1 << 64


def has_count(tokens, count):
    """So many tokens, or one more, which is noreply."""
    if len(tokens) == count:
        return tokens[-1] != NOREPLY
    return len(tokens) == count + 1 and tokens[-1] == NOREPLY and NOREPLY not in tokens[1:-1]


def store(tokens):
    count = STORE_TOKENS[tokens[0]]
    if not has_count(tokens, count) or len(tokens[1]) > KEY_MAX or not small(tokens[4]):
        return True
    if not LENIENT_FLAGS.match(tokens[2]) or not LENIENT_TIME.match(tokens[3]):
        return True
    if count == 6 and not large(tokens[5]):
        return True
    well_formed = tokens[4].isdigit() and int(tokens[4]) <= (1 << 31) - 3
    return not well_formed and tokens[-1] == NOREPLY


def get(tokens):
    return len(tokens) < 2 or any(len(key) > KEY_MAX for key in tokens)


def gat(tokens):
    return len(tokens) < 3 or not small(tokens[1]) or any(len(key) > KEY_MAX for key in tokens)


def arithmetic(tokens):
    return not has_count(tokens, 3) or not (DIGITS.match(tokens[2]) or WORD.match(tokens[2]))


def touch(tokens):
    return not has_count(tokens, 3) or not small(tokens[2])


def flush(tokens):
    return len(tokens) > 1 and tokens[1:] != [NOREPLY] and not (has_count(tokens, 2) and small(tokens[1]))


def verbosity(tokens):
    return not has_count(tokens, 2) or not unsigned(tokens[1]) or tokens[1][:1] == b"-"


def unsigned(token):
    """A number of 32 bits without a sign, perhaps, that all read alike."""
    return small(token) or (PLAIN.match(token) is not None and int(token) < 1 << 32)


def debug(tokens):
    return len(tokens) != 2 or len(tokens[1]) > KEY_MAX


def meta(tokens):
    name, flags = tokens[0], tokens[3:] if tokens[0] == b"ms" else tokens[2:]
    if len(tokens) < (3 if name == b"ms" else 2) or len(tokens) > META_TOKENS:
        return True
    if len(tokens[1]) > KEY_MAX and name in (b"ms", b"ma"):
        return True
    if name == b"ms" and not small(tokens[2]):
        return True
    letters = b"".join(flag[:1] for flag in flags)
    if name == b"md" and (len(set(letters)) != len(letters) or b"b" in letters and not BASE64.match(tokens[1])):
        return True
    if name == b"ma" and b"N" in letters and b"q" in letters:
        return True
    return any(flag_differs(name, flag, letters, flags) for flag in flags)


def flag_differs(name, flag, letters, flags):
    letter, argument = flag[:1], flag[1:]
    if letter not in META_FLAGS[name]:
        return name == b"md" or letter.lower() not in b"zwy" or not letter.isalpha()
    if letter in b"TNR":
        return not small(argument) or WORD.match(argument) is not None
    if letter == b"F":
        return PLAIN.match(argument) is None or not 0 <= int(argument) < 1 << 32
    if letter in b"CDJ":
        return not large(argument)
    return letter == b"M" and len(argument) != 1


def alone(tokens):
    return len(tokens) != 1


# ---- what administrators say: no word may be shortened, most want so many tokens and no more, and few know noreply

CLASSES = re.compile(rb"(?:[1-9]\d{0,8}|[A-Za-z]\w*)(?:,(?:[1-9]\d{0,8}|[A-Za-z]\w*))*\Z")
WORDS = {b"stats": (b"reset", b"detail", b"settings", b"cachedump", b"conns", b"extstore", b"sizes_enable",
                    b"sizes_disable"),
         b"slabs": (b"reassign", b"automove"),
         b"lru_crawler": (b"enable", b"disable", b"sleep", b"tocrawl", b"crawl", b"metadump", b"mgdump"),
         b"detail": (b"on", b"off", b"dump"), b"automove": (b"ratio", b"freeratio", b"window")}


def is_shortened(token, words):
    return token not in words and any(word.startswith(token) for word in words)


def stats(tokens):
    what, more = tokens[1:2], tokens[2:4]
    if what and (is_shortened(what[0], WORDS[b"stats"]) or what[0].startswith(b"sizes_")):
        return True
    if what == [b"detail"]:
        return bool(more) and is_shortened(more[0], WORDS[b"detail"])
    return what == [b"cachedump"] and not all(unsigned(token) for token in more)


def memory_limit(tokens):
    return len(tokens) > 1 and not (has_count(tokens, 2) and unsigned(tokens[1]))


def slabs(tokens):
    what, more = tokens[1:2], tokens[2:]
    if tokens[-1] == NOREPLY or (what and is_shortened(what[0], WORDS[b"slabs"])):
        return True
    if what != [b"automove"] or not more:
        return what == [b"reassign"] and not all(small(token) for token in more)
    if b"freeratio".startswith(more[0]) or is_shortened(more[0], WORDS[b"automove"]):
        return True
    return more[0] == b"window" and any(token.isdigit() for token in more[1:]) or not unsigned(more[0])


def crawler(tokens):
    what, more = tokens[1:2], tokens[2:]
    if tokens[-1] == NOREPLY or (what and is_shortened(what[0], WORDS[b"lru_crawler"])) or what == [b"mgdump"]:
        return True
    if what in ([b"enable"], [b"disable"]):
        return bool(more)
    if what in ([b"sleep"], [b"tocrawl"]):
        return len(more) > 1 or not all(unsigned(token) for token in more)
    if what in ([b"crawl"], [b"metadump"]):
        # After an empty list the connection stays with the crawler, which gives it back once too often.
        return len(more) > 1 or not all(CLASSES.match(token) for token in more)
    return False


def ends_with_noreply(tokens):
    return tokens[-1] == NOREPLY


def nothing(_):
    return False


ADMINISTRATIVE = {b"stats", b"cache_memlimit", b"slabs", b"lru", b"lru_crawler", b"watch", b"shutdown", b"extstore",
                  b"refresh_certs"}
INDENTED = {b"flush_all", b"verbosity", b"cache_memlimit", b"shutdown", b"slabs", b"lru", b"lru_crawler", b"extstore",
            b"refresh_certs"}
COMMANDS = {b"get": get, b"gets": get, b"gat": gat, b"gats": gat, b"delete": lambda tokens: not has_count(tokens, 2),
            b"incr": arithmetic, b"decr": arithmetic, b"touch": touch, b"flush_all": flush, b"verbosity": verbosity,
            b"version": alone, b"quit": alone, b"mn": alone, b"me": debug, b"stats": stats,
            b"cache_memlimit": memory_limit, b"slabs": slabs, b"lru": nothing, b"lru_crawler": crawler,
            b"watch": ends_with_noreply, b"shutdown": ends_with_noreply, b"refresh_certs": nothing,
            b"extstore": nothing}
COMMANDS.update({name: store for name in STORE_TOKENS})
COMMANDS.update({name: meta for name in META_FLAGS})


def unknown(tokens):
    if len(tokens) >= TOKENS_MAX:
        return True
    http = tokens[-1].startswith(b"HTTP/")
    return tokens[-1] == NOREPLY or (http and (len(tokens) == 1 or len(tokens[0]) == 1 or not tokens[0].isupper()))


# Behind a number from 2^63 on, releases before 1.6.22 look for a minus sign, and may find one in the memory that
# follows. So neither such numbers nor, for those that come about by chance, such signs are stored.
NUMBER_MAX = (1 << 62) - 1


def value_differs(data):
    return b"-" in data


def tame_value(value):
    """A value that is like this one, and does no harm."""
    value = value.replace(b"-", b"_")
    return b"%d" % (int(value) & 0xffffffff) if value.isdigit() and int(value) > NUMBER_MAX else value


def tame_number(number):
    return number if number <= NUMBER_MAX else number & 0xffffffff


WATCHED_MAX = (1 << 20) - 1000   # bytes of a binary store, while somebody watches: with what is too large it crashes
# Figures and settings that only one of an old reference and 1.6.45 has, or that have another value.
FIGURES = {b"slab_reassign_evictions_nomem", b"slab_reassign_busy_nomem", b"slab_reassign_last_busy_status",
           b"slab_automove_window", b"num_napi_ids", b"client_flags_size"}


def dump_ending(data):
    """What comes of a dump, without the line before its items."""
    return data.removeprefix(b"OK\r\n")


def dumped(line):
    """A line of a metadump without what was added to it."""
    return re.sub(rb" flags=\d+ \Z", b"", line)


def text_differs(whole, line, tokens):
    """Whether an old reference may answer this line otherwise; `whole` is it with its end."""
    if len(whole) < 4 or line[:1] == b"" or b"\0" in line or not tokens[0]:
        return True
    if line[:1] == b" " and tokens[0] not in INDENTED:
        return True
    if tokens[0] in ADMINISTRATIVE and len(tokens) >= TOKENS_MAX:
        return True
    return COMMANDS.get(tokens[0], unknown)(tokens)
