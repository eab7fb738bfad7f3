"""The list of allowed differences, which is the file ALLOWED beside this one; it tells its own form."""
import os
import re

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ALLOWED")


class Allowed:
    """Pairs of patterns: what the reference says, what larder says instead."""

    def __init__(self, path=PATH):
        self.pairs, reason, reference = [], None, None
        with open(path, encoding="ascii") as lines:
            for line in lines:
                mark, text = line[:2], line[2:].rstrip("\n")
                if mark == "@ ":
                    reason = text
                elif mark == "- ":
                    reference = text
                elif mark == "+ ":
                    self.pairs.append((re.compile(reference + "\n" + text), reason))

    def match(self, reference, larder):
        both = reference + "\n" + larder
        return any(pattern.fullmatch(both) for pattern, _ in self.pairs)
