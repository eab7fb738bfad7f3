"""Plays a dialogue to both servers and compares what they say, step by step."""
import random
import struct

import replies
from servers import Link

CUT = 0.3               # of the steps arrive in pieces
PATIENCE_S = 10         # for a reply
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

    def __init__(self, pair, keys, allowed):
        self.pair, self.keys, self.allowed = pair, keys, allowed
        self.sentinels, self.patience_s = 0, PATIENCE_S
        self.clean = self.make_cleaning()

    def make_cleaning(self):
        """A text step that empties both caches, and frees the memory, which a flush alone does not."""
        deletes = b"".join(b"md %s q\r\n" % token for token in self.keys.tokens)
        return deletes + b"flush_all noreply\r\nverbosity 0 noreply\r\n"

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
            return None
        finally:
            for link in links:
                if link:
                    link.close()
            self.pair.check_alive()

    def empty_caches(self):
        link = Link(self.pair)
        try:
            question, sentinel = self.sentinel("text")
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
        cuts = sorted(dice.random() for _ in range(dice.randint(1, 4))) if dice.random() < CUT else []
        sent = [b"".join(command.render(ids.by_key, side) for command in step.commands) + step.padding + question
                for side in (0, 1)]
        chunks = [cut_up(data, [] if step.closes else cuts) for data in sent]
        said = links[at].exchange(chunks, sentinel, self.patience_s)
        return self.compare(step, kind, said, ids)

    def compare(self, step, kind, said, ids):
        endings = [ending for _, ending in said]
        units = [self.read(data, kind) for data, _ in said]
        at = replies.compare(units[0], units[1], ids, self.allowed, kind)
        if at is None and endings[0] == endings[1] != "silent":
            return None
        return Difference(step, kind, len(units[0]) if at is None else at, units, endings)

    def read(self, data, kind):
        return replies.read_text(data) if kind == "text" else replies.read_binary(data, self.keys.all)

    def sentinel(self, kind):
        """A question with an answer that comes once."""
        self.sentinels += 1
        if kind == "text":
            return b"mg ~ O%d\r\n" % self.sentinels, b"EN O%d\r\n" % self.sentinels
        opaque = 0xfe000000 + (self.sentinels & 0xffff) * 256 + 0xff
        return NOOP.pack(0x80, 0x0a, 0, 0, 0, 0, 0, opaque, 0), NOOP.pack(0x81, 0x0a, 0, 0, 0, 0, 0, opaque, 0)


def cut_up(data, cuts):
    """The data in pieces; `cuts` are fractions of its length."""
    places = [0] + [int(len(data) * cut) for cut in cuts] + [len(data)]
    return [data[one:other] for one, other in zip(places, places[1:]) if other > one]
