"""The two servers, and connections to both at once.

Each server is started on a free port of loopback and killed at the end. A Link is one connection to each of them:
exchange() sends to both and reads until both have answered a sentinel or closed.
"""
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time

START_TIMEOUT_S = 10
# A background thread of memcached would hold items for a while, now and then, and what it holds is not written in
# place by incr: without it the same bytes get the same replies each time. The statistics show that it is not there.
# With -A more can be said about `shutdown`.
CALM = ("-A", "-o", "no_lru_maintainer,no_lru_crawler")
CRAWLER_IS_ON = b"STAT lru_crawler yes"
LINGER_OFF = b"\1\0\0\0\0\0\0\0"


class Died(Exception):
    """A server is gone."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """One server process; `name` is how it is called in reports."""

    def __init__(self, name, path, memory_mb, options):
        self.name, self.path, self.memory_mb, self.options = name, path, memory_mb, options
        self.errors = tempfile.TemporaryFile()
        self.start()

    def start(self):
        self.port = free_port()
        command = [self.path, "-u", "root", "-p", str(self.port), "-l", "127.0.0.1", "-m", str(self.memory_mb),
                   "-t", "2", "-U", "0", *self.options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                return self.connect().close()
            except OSError:
                if not self.alive() or time.monotonic() > deadline:
                    raise Died(f"{self.name} does not start: {self.last_words()}") from None
                time.sleep(0.02)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), 5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
        connection.setblocking(False)
        return connection

    def alive(self):
        return self.process.poll() is None

    def version(self):
        with self.connect() as connection:
            connection.setblocking(True)
            connection.sendall(b"version\r\n")
            return connection.recv(100).decode("latin-1")

    def burn_first_id(self):
        """memcached's first CAS id is 1 or 2; afterwards the generator may use these as ids that no item has."""
        with self.connect() as connection:
            connection.setblocking(True)
            connection.sendall(b"set burnt 0 0 0\r\n\r\n" * 3 + b"delete burnt\r\n")
            connection.recv(100)

    def ask(self, line, timeout_s):
        """The answer to a line, which ends with END."""
        with self.connect() as connection:
            connection.settimeout(timeout_s)
            connection.sendall(line)
            told = b""
            while not told.endswith(b"END\r\n"):
                more = connection.recv(10000)
                if not more:
                    break
                told += more
        return told

    def last_words(self):
        self.errors.seek(max(0, self.errors.seek(0, os.SEEK_END) - 4000))
        return self.errors.read().decode("latin-1").strip()

    def obituary(self):
        code = self.process.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"{self.name} died ({how}): {self.last_words()}"

    def stop(self):
        if self.alive():
            self.process.kill()
        self.process.wait()


class Pair:
    """The reference and larder."""

    def __init__(self, reference, larder, memory_mb):
        self.servers = []
        self.memory_mb = memory_mb
        for name, path in (("reference", reference), ("larder", larder)):
            self.servers.append(Server(name, path, memory_mb, CALM))
            self.servers[-1].burn_first_id()

    def check_alive(self):
        dead = [server for server in self.servers if not server.alive()]
        if dead:
            raise Died("\n".join(server.obituary() for server in dead))

    def wait_for(self, question, condition, timeout_s):
        """Ask all until the condition is true of their answers; memcached has threads that take their time."""
        deadline = time.monotonic() + timeout_s
        while not condition([server.ask(question, timeout_s) for server in self.servers]):
            if time.monotonic() > deadline:
                return
            time.sleep(0.001)

    def wait_for_crawls(self, timeout_s):
        """Until nobody goes through the items in the background."""
        self.wait_for(b"stats\r\n", lambda told: not any(b"lru_crawler_running 1" in text for text in told), timeout_s)

    def wait_for_crawlers(self, timeout_s):
        """Until the crawlers of both are on, or of both are off."""
        self.wait_for(b"stats settings\r\n", lambda told: len({CRAWLER_IS_ON in text for text in told}) == 1, timeout_s)

    def stop_crawlers(self, timeout_s):
        self.wait_for(b"lru_crawler disable\r\nstats settings\r\n",
                      lambda told: not any(CRAWLER_IS_ON in text for text in told), timeout_s)

    def revive(self):
        for server in self.servers:
            if not server.alive():
                server.start()
                server.burn_first_id()

    def reference_is_old(self):
        found = re.match(r"VERSION 1\.6\.(\d+)", self.servers[0].version())
        return found is not None and int(found[1]) < 45

    def stop(self):
        for server in self.servers:
            server.stop()


class End:
    """One server's end of a Link: what is to be sent to it, and what came."""

    __slots__ = ("socket", "chunks", "sentinel", "replies", "closed", "done")

    def __init__(self, connection):
        self.socket, self.closed = connection, False

    def begin(self, chunks, sentinel):
        self.chunks, self.sentinel = [memoryview(chunk) for chunk in reversed(chunks)], sentinel
        self.replies, self.done = bytearray(), self.closed

    def send(self):
        try:
            sent = self.socket.send(self.chunks[-1])
        except BlockingIOError:
            return
        except OSError:     # it has closed; what it said before is still to be read
            self.chunks = []
            return
        if sent == len(self.chunks[-1]):
            self.chunks.pop()
        else:
            self.chunks[-1] = self.chunks[-1][sent:]

    def receive(self):
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.replies += data
        if not data:
            self.closed = self.done = True
        elif callable(self.sentinel):
            self.done = self.sentinel(self.replies)
        elif self.sentinel is not None:
            self.done = self.replies.endswith(self.sentinel)


class Link:
    """A connection to each server."""

    def __init__(self, pair):
        self.ends = [End(server.connect()) for server in pair.servers]

    def exchange(self, chunks, sentinel, timeout_s):
        """Send `chunks` (a list for each server) and read until the sentinel comes, or the end if it is None; the
        sentinel may be a function that tells by the replies.

        Gives for each server what it sent, how that ended ("answered", "closed", "silent"), without the sentinel.
        """
        for end, own in zip(self.ends, chunks):
            end.begin(own, sentinel)
        deadline = time.monotonic() + timeout_s
        for end in self.ends:
            if end.chunks and not end.done:
                end.send()
        while not all(end.done for end in self.ends) and time.monotonic() < deadline:
            self.wait_and_move(min(1.0, deadline - time.monotonic()))
        return [self.outcome(end) for end in self.ends]

    def wait_and_move(self, timeout_s):
        poll, by_fd = select.poll(), {}
        for end in self.ends:
            if not end.done:
                by_fd[end.socket.fileno()] = end
                poll.register(end.socket, select.POLLIN | (select.POLLOUT if end.chunks else 0))
        for fd, events in poll.poll(max(0, timeout_s * 1000)):
            end = by_fd[fd]
            if events & select.POLLOUT and end.chunks:
                end.send()
            if events & ~select.POLLOUT:
                end.receive()

    @staticmethod
    def outcome(end):
        replies = bytes(end.replies)
        if end.closed:
            return replies, "closed"
        if not end.done:
            return replies, "silent"
        return replies if callable(end.sentinel) else replies[:-len(end.sentinel)], "answered"

    def close(self):
        for end in self.ends:
            end.socket.close()
