"""Plays a dialogue to both servers and compares what they say, step by step."""
import random
import struct

import events
import replies
import since
from servers import Link

CUT = 0.3               # of the steps arrive in pieces
PATIENCE_S = 10         # for a reply
SHORT_PATIENCE_S = 1    # for what perhaps does not come
# The state of a server in which a dialogue begins; with %d MB of memory.
CALM = b"flush_all noreply\r\nverbosity 0 noreply\r\ncache_memlimit %d noreply\r\nlru_crawler sleep 0\r\n" \
    b"lru tune 20 40 0.2 2.0 noreply\r\nlru_crawler tocrawl 0\r\nstats detail off\r\nstats reset\r\n"
NOOP = struct.Struct(">BBHBBHIIQ")


class Difference:
    """Where two servers part: the step, what each said, and how each ended."""

    def __init__(self, step, kind, at, units, endings):
        self.step, self.kind, self.at, self.units, self.endings = step, kind, at, units, endings

    def describe(self):
        for name, units, ending in zip(("reference", "larder"), self.units, self.endings):
            unit = units[self.at] if self.at < len(units) else None
            yield f"  {name + ':':11}{shorten(replies.render(unit, self.kind))}   ({ending}, reply {self.at + 1}" \
                  f" of {len(units)})"


def shorten(text, most=400):
    return text if len(text) <= most else f"{text[:most // 2]} ...{len(text) - most}... {text[-most // 2:]}"


class Player:
    """Plays dialogues on a pair of servers, each from an empty cache."""

    def __init__(self, pair, keys, allowed, old):
        self.pair, self.keys, self.allowed, self.old = pair, keys, allowed, old
        self.sentinels, self.patience_s, self.switched = 0, PATIENCE_S, True
        self.clean = self.make_cleaning()

    def make_cleaning(self):
        """A text step that empties both caches, and frees the memory, which a flush alone does not; it also takes back
        what administrators have ordered."""
        deletes = b"".join(b"md %s q\r\n" % token for token in self.keys.tokens)
        return deletes + CALM % self.pair.memory_mb

    def play(self, dialogue):
        """The first Difference, or None."""
        dice, ids = random.Random(dialogue.seed), replies.Ids()
        links = [None] * len(dialogue.kinds)
        try:
            self.empty_caches()
            for step in dialogue.steps:
                difference = self.play_step(step, dialogue.kinds[step.connection], links, ids, dice)
                if difference:
                    return difference
            return self.play_watched(dialogue, links)
        finally:
            for link in links:
                if link:
                    link.close()
            self.pair.check_alive()

    def empty_caches(self):
        link = Link(self.pair)
        try:
            question, sentinel = self.sentinel("text")
            if self.switched:
                self.pair.stop_crawlers(PATIENCE_S)
                self.switched = False
            link.exchange([[self.clean + question]] * 2, sentinel, PATIENCE_S)
        finally:
            link.close()

    def play_step(self, step, kind, links, ids, dice):
        at = step.connection
        if links[at] is None or step.opens:
            if links[at]:
                links[at].close()
            links[at] = Link(self.pair)
        question, sentinel = (b"", None) if step.closes else self.sentinel(kind)
        if step.work == "dump":
            question, sentinel = b"", has_dumped
        elif step.work == "watch":
            question, sentinel = b"", b"OK\r\n"
        cuts = sorted(dice.random() for _ in range(dice.randint(1, 4))) if dice.random() < CUT else []
        sent = [b"".join(command.render(ids.by_key, side) for command in step.commands) + step.padding + question
                for side in (0, 1)]
        chunks = [cut_up(data, [] if step.closes else cuts) for data in sent]
        said = links[at].exchange(chunks, sentinel, self.patience_s)
        if step.work == "dump":
            said = self.hear_out(links[at], said)
        elif step.work == "crawl":
            self.pair.wait_for_crawls(self.patience_s)
        elif step.work == "switch":
            self.pair.wait_for_crawlers(SHORT_PATIENCE_S)
            self.switched = True
        return self.compare(step, kind, said, ids)

    def hear_out(self, link, said):
        """After a dump: what is asked while it goes on is not heard."""
        if any(ending != "answered" for _, ending in said):
            return said
        question, sentinel = self.sentinel("text")
        more = link.exchange([[question]] * 2, sentinel, self.patience_s)
        if self.old:
            said = [(since.dump_ending(data), ending) for data, ending in said]
        return [(data + data_behind, ending) for (data, _), (data_behind, ending) in zip(said, more)]

    def play_watched(self, dialogue, links):
        """What those were told who watched. A key that nobody else asks for marks the end; the second one comes after
        all that any thread had to tell before the first."""
        for at in (at for at, kind in enumerate(dialogue.kinds) if kind == "watch" and links[at]):
            marks = [b"~w%d.%d" % (self.sentinels, i) for i in (0, 1)]
            said = [self.hear_of(links[at], mark) for mark in marks]
            told = [events.read(said[0][side][0] + said[1][side][0], marks[0]) for side in (0, 1)]
            if None in told:
                continue
            endings = [ending for _, ending in said[1]]
            found = replies.compare(told[0], told[1], replies.Ids(), self.allowed, "text")
            if found is not None or endings != ["answered"] * 2:
                return Difference(None, "text", len(told[0]) if found is None else found, told, endings)
        return None

    def hear_of(self, link, mark):
        control = Link(self.pair)
        try:
            made = b"set %s 0 0 1 noreply\r\nx\r\nget %s\r\ndelete %s\r\n" % (mark, mark, mark)
            control.exchange([[made]] * 2, b"DELETED\r\n", self.patience_s)
        finally:
            control.close()
        return link.exchange([[], []], lambda said: b" key=%s " % mark in said and said.endswith(b"\n"),
                             self.patience_s)

    def compare(self, step, kind, said, ids):
        endings = [ending for _, ending in said]
        units = [self.read(data, kind) for data, _ in said]
        at = replies.compare(units[0], units[1], ids, self.allowed, kind)
        if at is None and endings[0] == endings[1] != "silent":
            return None
        return Difference(step, kind, len(units[0]) if at is None else at, units, endings)

    def read(self, data, kind):
        if kind != "binary":
            return replies.read_text(data, self.old)
        return replies.read_binary(data, self.keys.all, self.old)

    def sentinel(self, kind):
        """A question with an answer that comes once."""
        self.sentinels += 1
        if kind == "text":
            return b"mg ~ O%d\r\n" % self.sentinels, b"EN O%d\r\n" % self.sentinels
        opaque = 0xfe000000 + (self.sentinels & 0xffff) * 256 + 0xff
        return NOOP.pack(0x80, 0x0a, 0, 0, 0, 0, 0, opaque, 0), NOOP.pack(0x81, 0x0a, 0, 0, 0, 0, 0, opaque, 0)


def has_dumped(said):
    """Whether a dump is over: its last line is neither one of its items nor the one before them."""
    last = said[said.rfind(b"\n", 0, -1) + 1:]
    return last.endswith(b"\r\n") and last != b"OK\r\n" and not last.startswith(b"mg ")


def cut_up(data, cuts):
    """The data in pieces; `cuts` are fractions of its length."""
    places = [0] + [int(len(data) * cut) for cut in cuts] + [len(data)]
    return [data[one:other] for one, other in zip(places, places[1:]) if other > one]
