"""What administrators say, and what of it may be said in a dialogue.

look() knows by the words of a line what it would make a server do. Refused is what would end a dialogue (a shutdown,
memory too small for it, a connection that watches), and what each engine answers for itself: who may move which
page, what a size class holds. The rest is a dialogue like any other, but for three orders after which the step ends:

  dump    the connection is not heard until all items are listed, so nothing else may be in this step
  crawl   a thread goes through all items, and before it is done everything else waits
  switch  this thread starts or stops, which takes its time
"""
import re

from words import number_i32, number_u32, shortens

CLASSES_BOTH = 39       # size classes that either server has
CLASSES_EITHER = 127    # and that one of them may have
MEMORY_MB = (1024, 1 << 20)     # a limit that either takes, and that is enough for a dialogue
PLAIN = re.compile(rb"\d{1,9}(?:\.\d{1,9})?\Z")
SLEEP_US = 200          # of a crawl; with more it lasts
WINDOW_S = (3, 1800)
TOKENS_MAX = 23         # what stands behind them does not exist
KINDS = (b"rawcmds", b"evictions", b"fetchers", b"mutations", b"sysevents", b"connevents", b"proxyreqs",
         b"proxyevents", b"proxyuser", b"deletions")
EXTSTORE = (b"item_size", b"item_age", b"low_ttl", b"recache_rate", b"compact_under", b"drop_under", b"max_sleep",
            b"max_frag", b"drop_unread", b"free_memchunks")


def is_number(token):
    try:
        float(token)
        return True
    except ValueError:
        return False


def word(tokens, at):
    return tokens[at] if len(tokens) > at else b""


def stats(tokens, _):
    if shortens(word(tokens, 1), b"cachedump") and CLASSES_BOTH < (number_u32(word(tokens, 2)) or 0) <= CLASSES_EITHER:
        return "a size class that only one may have", None
    return None, None


def memory_limit(tokens, _):
    megabytes = number_u32(word(tokens, 1))
    if megabytes is not None and 8 <= megabytes <= 1000000000 and not MEMORY_MB[0] <= megabytes <= MEMORY_MB[1]:
        return "a limit that not both can have, or too little memory", None
    return None, None


def reassign(tokens):
    """Only what is wrong by itself: whether a page can be spared is for the engine to say."""
    ends = [number_i32(token) for token in tokens[2:4]]
    if len(tokens) != 4 or None in ends or ends[0] == ends[1] or ends[1] < 0:
        return None
    if any(end < -1 or end > CLASSES_EITHER for end in ends):
        return None
    if ends[0] == 0 and ends[1] <= CLASSES_BOTH:
        return None
    return "a page to move"


def automove(tokens):
    what, value = word(tokens, 2), word(tokens, 3)
    if shortens(what, b"ratio") or shortens(what, b"freeratio"):
        return "an automover to tune" if is_number(value) else None
    if shortens(what, b"window"):
        seconds = number_u32(value)
        return "an automover to tune" if seconds and WINDOW_S[0] <= seconds <= WINDOW_S[1] else None
    return "an automover to turn on" if (number_u32(what) or 0) <= 2 and what.isdigit() else None


def slabs(tokens, _):
    if shortens(word(tokens, 1), b"reassign"):
        return reassign(tokens), None
    return automove(tokens) if shortens(word(tokens, 1), b"automove") else None, None


def lru(tokens, _):
    if shortens(word(tokens, 1), b"tune") and not all(PLAIN.match(token) for token in tokens[2:6]):
        return "an LRU to tune by what is no plain number", None
    return None, None


def names_class(text):
    """Whether a list of size classes names one that only one server may have, or that both have."""
    numbers = [number_u32(part) for part in text.split(b",") if part]
    if None in numbers or 0 in numbers or any(number > CLASSES_EITHER for number in numbers):
        return False, False
    return any(number > CLASSES_BOTH for number in numbers), bool(numbers)


def dump(tokens, alone):
    unsure, sure = names_class(word(tokens, 2))
    if unsure or sure:
        return "what is in a size class", None
    if tokens[-1] == b"noreply" or not alone:
        return "a dump that is not alone", None
    return None, "dump" if len(tokens) > 2 else None


def crawler(tokens, alone):
    what, value = word(tokens, 1), word(tokens, 2)
    if shortens(what, b"metadump") or shortens(what, b"mgdump"):
        return dump(tokens, alone)
    if shortens(what, b"crawl") and len(tokens) > 2:
        return ("a size class that only one may have", None) if names_class(value)[0] else (None, "crawl")
    if shortens(what, b"enable") or shortens(what, b"disable"):
        return None, "switch"
    if shortens(what, b"sleep") and SLEEP_US < (number_u32(value) or 0) <= 1000000:
        return "crawls that last", None
    return None, None


def watch(tokens, alone):
    if all(any(shortens(token, kind) for kind in KINDS) for token in tokens[1:]):
        return "a connection that only watches", None
    return None if alone else "whether the replies before it were sent", None


def shutdown(tokens, _):
    if len(tokens) < 2 or shortens(tokens[1], b"graceful") or tokens[1] == b"noreply":
        return "the end", None
    return None, None


def extstore(tokens, _):
    known = any(shortens(word(tokens, 1), option) for option in EXTSTORE)
    return "flash storage" if known else None, None


def harmless(_, __):
    return None, None


ORDERS = {b"stats": stats, b"cache_memlimit": memory_limit, b"slabs": slabs, b"lru": lru, b"lru_crawler": crawler,
          b"watch": watch, b"shutdown": shutdown, b"extstore": extstore, b"refresh_certs": harmless}


def look(tokens, alone):
    """Of an administrative line: why it is refused or None, and "dump", "crawl" or "switch" if it is one of these."""
    return ORDERS[tokens[0]](tokens[:TOKENS_MAX], alone)
