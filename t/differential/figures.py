"""Statistics and lists of items, as units that can be compared: see replies.py.

Of general figures and settings each line is a unit, with its value where both servers have to say the same; LOOSE
has the others. What is told by size class or by connection is folded into one unit: the names that there are, and
the sums of what was counted. Lines that come in any order are sorted. `old`: see since.py.
"""
import re
import urllib.parse

import since

# Values that are each server's own: of the process, of connections and what memory they take, of watchers, of items
# and what memory they take; what the crawler does just now, and how often it began (memcached counts classes); and
# when an item that has ended is noticed, by a store, by the crawler or when it is asked for. memcached does not count binary stores that are too large.
LOOSE = {b"pid", b"uptime", b"time", b"rusage_user", b"rusage_system", b"tcpport", b"oldest",
         b"curr_connections", b"total_connections", b"connection_structures", b"response_obj_count",
         b"response_obj_bytes", b"read_buf_count", b"read_buf_bytes", b"read_buf_bytes_free", b"bytes_read",
         b"bytes_written", b"conn_yields",
         b"log_worker_dropped", b"log_worker_written", b"log_watcher_skipped", b"log_watcher_sent", b"log_watchers",
         b"bytes", b"curr_items", b"hash_power_level", b"hash_bytes", b"total_malloced", b"active_slabs",
         b"lrutail_reflocked", b"lru_crawler_running", b"lru_crawler_starts",
         b"get_expired", b"get_flushed", b"expired_unfetched", b"reclaimed", b"crawler_reclaimed",
         b"crawler_items_checked", b"store_too_large"}
# Shown by a memcached that was built with flash storage.
FLASH = re.compile(rb"ext_|slab_automove_freeratio\Z")
# Of Larder's own limits.
OWN = re.compile(rb"(?:handshake|header|body|write|conn_mem)_kicks\Z|conn_mem_bytes\Z|handshakes_|(?:log_watchers|prefixes)_rejected\Z|"
                 rb"log_messages_|(?:header|body|write|ssl_handshake)_timeout\Z|conn_mem_limit\Z|udp_amplification\Z")
OF_ITEMS = re.compile(rb"items:(\d+):(\w+)\Z")
OF_NUMBER = re.compile(rb"(\d+):(\w+)\Z")     # a size class, or the descriptor of a connection
OF_CONNECTIONS = {b"addr", b"listen_addr", b"state", b"secs_since_last_cmd", b"UDP", b"resps_waiting"}
STATES = {b"conn_new_cmd", b"conn_waiting", b"conn_read", b"conn_parse_cmd", b"conn_write", b"conn_mwrite",
          b"conn_closing"}
# By size class. cmd_set is not among them: a class is shown once it has memory, and who counts first differs.
COUNTED = {b"get_hits", b"delete_hits", b"incr_hits", b"decr_hits", b"cas_hits", b"cas_badval", b"touch_hits"}
ITEMS = b"STAT items: "
NUMBER = re.compile(rb"\d+(?:\.\d+)?\Z")
PORT = re.compile(rb":\d+\Z")
CACHED = re.compile(rb"ITEM [^ ]* \[\d+ b; \d+ s\]\Z", re.S)


def unit(shape, ids=(), soft=(), key=None):
    return shape, ids, soft, key


def read_stats(pairs, old):
    """Units of a run of STAT lines, which come as (name, value)."""
    units, groups = [], {}
    for name, value in pairs:
        if FLASH.match(name) or OWN.match(name) or (old and name in since.FIGURES):
            continue
        match, kind = OF_ITEMS.match(name), "items"
        if not match:
            match = OF_NUMBER.match(name)
            kind = "connections" if match and match[2] in OF_CONNECTIONS else "slabs"
        if match:
            groups.setdefault(kind, {}).setdefault(match[1], []).append((match[2], value))
        else:
            units.append(unit(b"STAT %s %s" % (name, b"#" if name in LOOSE and NUMBER.match(value) else value)))
    return [unit(FOLDS[kind](group)) for kind, group in groups.items()] + units


def different(rows):
    """Each row once."""
    return b" | ".join(sorted({b" ".join(row) for row in rows}))


def fold_items(classes):
    return ITEMS + different([name for name, value in figures if value.isdigit()] for figures in classes.values())


def is_of_items(told):
    """Whether a unit is that of `stats items`. It is not there while there are no items, and some of those that have
    ended may be."""
    return ITEMS in told[0][:30]


def fold_slabs(classes):
    sums = dict.fromkeys(COUNTED, 0)
    for figures in classes.values():
        for name, value in figures:
            if name in sums:
                sums[name] += int(value)
    shape = b"STAT slabs: " + different([name for name, _ in figures] for figures in classes.values())
    return shape + b"; " + b" ".join(b"%s=%d" % (name, sums[name]) for name in sorted(sums))


def fold_connections(connections):
    def soften(name, value):
        if name == b"state" and value in STATES or name == b"secs_since_last_cmd" and value.isdigit():
            return b"#"
        return PORT.sub(b":#", value)

    rows = [[b"%s=%s" % (name, soften(name, value)) for name, value in told] for told in connections.values()]
    return b"STAT connections: " + different(rows)


FOLDS = {"items": fold_items, "slabs": fold_slabs, "connections": fold_connections}


def read_prefixes(lines):
    """Units of the lines of a `stats detail dump`."""
    return [unit(line) for line in sorted(lines)]


def read_cached(lines):
    """Units of the lines of a `stats cachedump`: each server has its own size classes, so only what is amiss."""
    return [unit(line) for line in lines if not CACHED.match(line)]


def read_keys(lines):
    """Units of the lines of a mgdump."""
    return [unit(line) for line in sorted(lines)]


def read_dumped(lines, old):
    """Units of the lines of a metadump."""
    return [read_dumped_line(line, old) for line in sorted(lines)]


def read_dumped_line(line, old):
    ids, soft, key = (), (), None
    tokens = since.dumped(line).split(b" ") if old else line.split(b" ")
    for i, token in enumerate(tokens):
        name, _, value = token.partition(b"=")
        if name == b"key":
            key = urllib.parse.unquote_to_bytes(value)
        elif name in (b"exp", b"la") and value.isdigit():
            soft, tokens[i] = soft + (int(value),), name + b"=#"
        elif name == b"cas" and value.isdigit():
            ids, tokens[i] = (int(value),), b"cas=#"
        elif name == b"cls":
            tokens[i] = b"cls=#"
    return unit(b" ".join(tokens), ids, soft, key)
