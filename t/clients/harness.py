"""What the Python client tests share: TAP output, and servers to talk to.

A test file is a list of sections, functions whose names are sentences; run()
calls each with what setup() made, and turns an exception into one failed test.
The server is $SERVER (default ./larder, from the work tree's top). Each one
listens on loopback alone, on a port below the range that the kernel gives to
outgoing connections, so that nobody takes it while the server restarts; it is
known to be ours by the pid in its statistics. When the tests end every server
is stopped and must have exited with 0 and without a sanitizer's report.

A client in another language is a program of its own, which drive() runs, and which
compile_client() makes where it is in C.

A library that is not installed skips its file, or fails it when CI is set.
"""
import atexit
import ctypes
import faulthandler
import functools
import importlib
import itertools
import os
import random
import reprlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

START_S = 20            # a sanitizer build on a busy machine is slow to start
STOP_S = 20
SOCKET_S = 20
TEST_S = 300            # then a library hangs, and no handler would run
PORTS = (15000, 32000)
REPORTS = (b'Sanitizer', b'runtime error:')
LARGE = 1000 * 1000     # near the limit of 1 MiB, with room for any item header
TOO_LARGE = 1024 * 1024 + 1
BATCH = 100             # requests that a Dialogue sends at a time

COMPILER = shlex.split(os.environ.get('CC', 'cc')) + \
    '-std=gnu11 -O1 -g -Wall -Wextra -pthread -I. -x c'.split()
LIBMEMCACHED = '-lmemcached -lmemcachedutil'.split()
PROBE = '#include <libmemcached/memcached.h>\nint main(void) { return 0; }\n'

# Every byte value, and line ends and protocol words where a careless parser
# of the value would stop.
BINARY = bytes(range(256)) + b'\r\nEND\r\nVALUE k 0 1\r\n\0\0\r\n'


class Tap:
    """Prints the Test Anything Protocol and remembers how it went."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, condition, name, detail=None):
        self.count += 1
        self.failed += not condition
        print('%s %d - %s' % ('ok' if condition else 'not ok', self.count, name),
              flush=True)
        if not condition and detail:
            self.note(detail)
        return bool(condition)

    def same(self, got, want, name):
        """got equals want and has its type: b'1', '1' and 1 are three values."""
        good = type(got) is type(want) and got == want
        return self.check(good, name, 'got  %s\nwant %s' % (brief(got), brief(want)))

    def raises(self, errors, call, name):
        try:
            got = call()
        except errors:
            return self.check(True, name)
        return self.check(False, name, 'returned %s' % brief(got))

    def skip(self, name, why):
        """What cannot be run here; in CI it should be possible, and fails."""
        if in_ci():
            self.check(False, name, why)
            return
        self.count += 1
        print('ok %d - %s # SKIP %s' % (self.count, name, why), flush=True)

    def note(self, text):
        for line in str(text).splitlines():
            print('# ' + line, flush=True)

    def finish(self):
        print('1..%d' % self.count, flush=True)
        sys.exit(1 if self.failed or not self.count else 0)


def brief(value):
    short = reprlib.Repr()
    short.maxstring = short.maxother = 200
    short.maxdict = short.maxlist = short.maxset = 8
    return '%s (%s)' % (short.repr(value), type(value).__name__)


def poll(fact, seconds=10):
    """Call fact() until it is true; its last answer when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        answer = fact()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.02)


class Server:
    """One server process, on TCP or on a unix socket."""
    running = []

    def __init__(self, *options, unix=False):
        self.options = options
        self.directory = tempfile.mkdtemp(prefix='larder-clients-')
        self.log_path = os.path.join(self.directory, 'stderr')
        self.path = os.path.join(self.directory, 'socket') if unix else None
        self.login = os.environ.get('CLIENT_LOGIN')
        if self.login:
            self.options += '-S', '-Y', self.file_of_users()
        self.port = None
        self.process = None
        self.told = False       # that this process should end
        self.clean = True
        Server.running.append(self)
        for _ in range(10):
            self.port = None if unix else random.randrange(*PORTS)
            if self.start():
                return
        raise RuntimeError('no server: %s' % self.log())

    def file_of_users(self):
        path = os.path.join(self.directory, 'users')
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), 'w') as users:
            users.write('somebody:else\n%s\n' % self.login.replace(' ', ':', 1))
        return path

    @property
    def address(self):
        """host:port, or the socket's path."""
        return self.path or '127.0.0.1:%d' % self.port

    def start(self):
        """True when it answers; False when it ended, for want of its port."""
        command = [os.path.abspath(os.environ.get('SERVER', './larder'))]
        command += ['-s', self.path] if self.path else \
            ['-l', '127.0.0.1', '-p', str(self.port)]
        if os.getuid() == 0:
            command += ['-u', 'root']
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(command + list(self.options), stderr=log,
                                            stdin=subprocess.DEVNULL,
                                            preexec_fn=die_with_parent)
        self.told = False
        if not poll(lambda: self.ended() or self.answers(), START_S):
            raise RuntimeError('%s does not answer: %s' % (command, self.log()))
        return not self.ended()

    def ended(self):
        return self.process.poll() is not None

    def answers(self):
        """True when it is this process that answers there, not a stranger."""
        try:
            return int(self.stats()['pid']) == self.process.pid
        except OSError:
            return False

    def tell_to_end(self):
        """Once only: a second signal may find the first one's handler gone."""
        if self.process and not self.ended() and not self.told:
            self.told = True
            self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """Terminate it; False, now and ever after, unless it went cleanly."""
        self.tell_to_end()
        if self.process:
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        good = self.process is not None and self.process.returncode == 0
        self.clean = self.clean and good and not any(r in self.log() for r in REPORTS)
        return self.clean

    def kill(self):
        """Without a farewell; it may be started again."""
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        if not self.start():
            raise RuntimeError('no restart: %s' % self.log())

    def log(self):
        with open(self.log_path, 'rb') as log:
            return log.read()

    def connect(self):
        if self.path:
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(SOCKET_S)
            plain.connect(self.path)
            return plain
        return socket.create_connection(('127.0.0.1', self.port), SOCKET_S)

    def ask(self, request):
        """Send one request without a library; all that is answered until quit."""
        login = b'set x 0 0 %d\r\n%s\r\n' % (len(self.login), self.login.encode()) \
            if self.login else b''
        with self.connect() as plain:
            plain.sendall(login + request + b'\r\nquit\r\n')
            answer = b''
            while True:
                more = plain.recv(65536)
                if not more:
                    return answer[len(b'STORED\r\n') if login else 0:]
                answer += more

    def wire(self, key):
        """(flags, bytes) as the server holds them, whatever a library makes of it."""
        answer = self.ask(b'get ' + key)
        if answer == b'END\r\n':
            return None
        head, rest = answer.split(b'\r\n', 1)
        _, _, flags, length = head.split(b' ')
        return int(flags), rest[:int(length)]

    def stats(self):
        lines = self.ask(b'stats').decode().split('\r\n')
        return dict(line.split(' ', 2)[1:] for line in lines if line.startswith('STAT '))

    def version(self):
        """The version as the server says it: bytes after the word VERSION."""
        return self.ask(b'version').strip().split(b' ', 1)[1]

    def advance(self, seconds):
        """Move the clock of a server that was started with clock(). The reference
        has none that can be moved: there the seconds really pass."""
        if not is_reference():
            if self.ask(b'debugtime %d' % seconds) != b'OK\r\n':
                raise RuntimeError('no clock to move on %s' % self.address)
            return
        until = int(self.stats()['uptime']) + seconds
        if not poll(lambda: int(self.stats()['uptime']) >= until, seconds + 5):
            raise RuntimeError('the clock of %s stands still' % self.address)


class Dialogue:
    """A connection to a server or a proxy, on which text is spoken."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), SOCKET_S)
        self.file = self.socket.makefile('rb')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def values(self):
        """Those of one reply to get or gets, by key; its last line, if not END."""
        found = {}
        while True:
            line = self.file.readline().rstrip(b'\r\n')
            if not line.startswith(b'VALUE '):
                return found if line == b'END' else line
            _, key, _, length, *_ = line.split()
            found[key] = self.file.read(int(length) + 2)[:-2]

    def each(self, requests, read):
        """Send them, some at a time, and read() a reply to each."""
        replies = []
        for batch in batches(requests):
            self.socket.sendall(b''.join(batch))
            replies += [read() for _ in batch]
        return replies

    def line(self):
        return self.file.readline()


def batches(all_of_them):
    rest = iter(all_of_them)
    return iter(lambda: list(itertools.islice(rest, BATCH)), [])


def with_login(setup):
    """The same setup, but its servers want a login: who is driven finds user and
    password in the environment, in CLIENT_LOGIN."""
    def changed():
        os.environ['CLIENT_LOGIN'] = 'cache s3cret word'
        return setup()
    return changed


def both(setup, name=''):
    """For run_each(): a setup, and one with_login(). Libraries only know how to log in
    by the binary protocol. The reference is not asked: its options are others."""
    logins = {} if is_reference() else {
        name + ' with a login': with_login(setup)}
    return {name: setup, **logins}


@functools.cache
def is_reference():
    """True for Debian's memcached, which proves that the tests tell the truth."""
    said = subprocess.run([os.path.abspath(os.environ.get('SERVER', './larder')), '-V'],
                          capture_output=True, check=True).stdout
    return said.startswith(b'memcached ')


def clock():
    """Options for a server whose clock can be moved."""
    return () if is_reference() else ('-o', 'debug_commands')


def die_with_parent():
    """In the child: no server outlives its test, even one that was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # 1 is PR_SET_PDEATHSIG


def clean_up():
    for server in Server.running:
        server.tell_to_end()
    for server in Server.running:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)
    Server.running = []


def drive(t, command, *servers, seconds=120):
    """Run a client in another language and number what it checks.

    It prints "ok - name", "not ok - name" and "# remark", at the end "# done", for
    a program that stopped half way would otherwise look like one that passed. A
    line that begins with @ asks for something to be done, after which it is sent an
    empty line: "@restart", "@stop" and "@start", with the number of a server, from
    0, and "@advance" with the seconds by which all their clocks are to move.
    """
    def obey(order, number):
        if order == '@advance':
            for server in servers:
                server.advance(number)
        else:
            {'@restart': Server.restart, '@stop': Server.stop,
             '@start': Server.start}[order](servers[number])

    line = ''
    with subprocess.Popen(['timeout', str(seconds), *command], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, errors='replace') as running:
        for line in map(str.rstrip, running.stdout):
            if line.startswith('@'):
                order, number = line.split()
                obey(order, int(number))
                running.stdin.write('\n')
                running.stdin.flush()
            elif line.startswith('#'):
                t.note(line[2:])
            else:
                verdict, _, name = line.partition(' - ')
                t.check(verdict == 'ok', name)
    t.same(line, '# done', 'the program reached its end')
    t.same(running.returncode, 0, 'and ended well')


def compile_client(source, directory, text=None):
    """The program that C makes with libmemcached; an error has what the compiler said."""
    program = os.path.join(directory, 'client')
    done = subprocess.run([*COMPILER, source, '-o', program, *LIBMEMCACHED], input=text,
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return program


def need_libmemcached():
    """End the test if nothing can be compiled with it."""
    need_programs(COMPILER[0])
    with tempfile.TemporaryDirectory() as directory:
        try:
            compile_client('-', directory, PROBE)
        except RuntimeError as error:
            give_up('libmemcached-dev cannot be used: ' + str(error).splitlines()[0])


def need_programs(*programs):
    """End the test if one of these is not there."""
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        give_up('not installed: ' + ', '.join(missing))


def beside(name):
    """The path of a file in this directory."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)


def need_files(*names):
    """End the test if one of these is not in this directory."""
    missing = [name for name in names if not os.path.exists(beside(name))]
    if missing:
        give_up('not installed: ' + ', '.join(missing))


def need(*modules):
    """Import the modules, or end the test: skipped, but in CI failed."""
    try:
        return [importlib.import_module(name) for name in modules]
    except ImportError as error:
        give_up(str(error))


def in_ci():
    return os.environ.get('CI', '') not in ('', '0', 'false')


def give_up(why):
    if in_ci():
        print('1..1\nnot ok 1 - %s' % why)
        sys.exit(1)
    print('1..0 # SKIP %s' % why)
    sys.exit(0)


def run(setup, *sections):
    """Call setup(), then each section(tap, *what setup returned)."""
    run_each({'': setup}, *sections)


def run_each(setups, *sections):
    """The same for every one of these, by their names."""
    atexit.register(clean_up)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    faulthandler.dump_traceback_later(TEST_S, exit=True)
    tap = Tap()
    for name, setup in setups.items():
        os.environ.pop('CLIENT_LOGIN', None)
        subject = setup()
        for section in sections:
            tap.note(('%s: ' % name if name else '') + section.__name__.replace('_', ' '))
            try:
                section(tap, *subject)
            except Exception:   # one section's death must not hide the next
                tap.check(False, section.__name__ + ' runs to its end',
                          traceback.format_exc())
    for server in Server.running:
        server.tell_to_end()        # all at once: it may take a second
    for server in Server.running:
        tap.check(server.stop(), 'server on %s ended cleanly' % server.address,
                  'exit %s\n%s' % (server.process.returncode,
                                   server.log().decode('utf-8', 'replace')))
    tap.finish()
