"""Words of a line: numbers as memcached reads them where it is strict, and words that are shortened."""


def strict_number(token, low, high, digits=11):
    """The number as memcached reads it where it is strict, or None."""
    plain = token[1:] if token[:1] == b"-" and low < 0 else token
    if not plain.isdigit() or len(token) > digits or not low <= int(token) <= high:
        return None
    return int(token)


def number_u32(token):
    return strict_number(token, 0, (1 << 32) - 1)


def number_i32(token):
    return strict_number(token, -(1 << 31), (1 << 31) - 1)


def shortens(token, word):
    """Whether a token is that word, or its beginning: 1.6.45 takes either."""
    return token != b"" and word.startswith(token)
