"""Makes a dialogue that differs shorter, as long as it still differs."""
import time

from dialogue import rebuild

PATIENCE_S = 30


def minimise(dialogue, differs, old):
    """A shortest one that was found; `differs` tells of a dialogue whether it is one."""
    deadline = time.monotonic() + PATIENCE_S
    best = drop_connections(dialogue, differs, old)
    size = max(1, best.count() // 2)
    while time.monotonic() < deadline:
        smaller = drop_one_part(best, size, differs, old, deadline)
        if smaller:
            best = smaller
        elif size == 1:
            break
        size = max(1, min(size // 2 if not smaller else size, best.count() // 2))
    return best


def attempt(dialogue, commands, differs, old):
    candidate = rebuild(dialogue, commands, old) if commands else None
    return candidate if candidate and differs(candidate) else None


def drop_connections(dialogue, differs, old):
    for connection in range(len(dialogue.kinds)):
        rest = [command for command in dialogue.commands() if command.connection != connection]
        dialogue = attempt(dialogue, rest, differs, old) or dialogue
    return dialogue


def drop_one_part(dialogue, size, differs, old, deadline):
    """The dialogue without some `size` commands that follow each other, the last ones first; or None."""
    commands = dialogue.commands()
    for start in range(len(commands) - size, -size, -size):
        if time.monotonic() > deadline:
            return None
        rest = commands[:max(0, start)] + commands[start + size:]
        smaller = attempt(dialogue, rest, differs, old)
        if smaller:
            return smaller
    return None
