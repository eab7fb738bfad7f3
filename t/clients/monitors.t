#!/usr/bin/python3 -B
"""What operators look with: memcached-tool, and the statistics that exporters read.

memcached-tool, damemtop and the plugins of collectd and munin are those of Debian's
packages, and run here; what these plugins read is taken out of themselves. The other exporters
are not installed: FIELDS, SETTINGS and OF_CLASS below have what each of them reads, copied by
hand out of its source, whose place is said with it, and in which form.
"""
import csv
import fcntl
import glob
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios

import harness
from harness import BINARY, Server, poll

TOOL = '/usr/share/memcached/scripts/memcached-tool'
TOP = '/usr/share/memcached/scripts/damemtop'
COLLECTD = '/usr/sbin/collectd'
COLLECTD_PLUGIN = '/usr/lib/collectd/memcached.so'
RECORDED = 't/golden/stats.txt'         # of memcached 1.6.45
MUNIN = '/usr/share/munin/plugins/memcached_'
ANSWER_MOST = 4096      # collectd reads so much of `stats`, and no more
COUNT = re.compile(r'\d+')
SECONDS = re.compile(r'\d+\.\d{6}')     # the exporter splits it at the point
FLOAT = re.compile(r'\d+\.\d+')
WORD = re.compile(r'yes|no')

RUSAGE = 'rusage_user rusage_system'
HITS = ' '.join('%s_hits %s_misses' % (c, c)
                for c in ('get', 'delete', 'incr', 'decr', 'cas', 'touch'))
FIELDS = {
    # prometheus/memcached_exporter, pkg/exporter/exporter.go; SETTINGS and OF_CLASS are its, too
    'memcached_exporter': 'uptime time cas_badval cmd_set cmd_flush bytes limit_maxbytes '
    'curr_items total_items bytes_read bytes_written curr_connections total_connections '
    'rejected_connections conn_yields listen_disabled_num evictions reclaimed '
    'store_too_large store_no_memory lru_crawler_starts direct_reclaims '
    'crawler_items_checked crawler_reclaimed moves_to_cold moves_to_warm '
    'moves_within_lru accepting_conns ' + HITS,
    # influxdata/telegraf, plugins/inputs/memcached/memcached.go
    'telegraf': 'accepting_conns auth_cmds auth_errors bytes bytes_read bytes_written '
    'cas_badval cmd_flush cmd_get cmd_set cmd_touch conn_yields connection_structures '
    'curr_connections curr_items evicted_unfetched evictions expired_unfetched '
    'hash_bytes hash_is_expanding hash_power_level limit_maxbytes listen_disabled_num '
    'reclaimed threads total_connections total_items uptime ' + HITS,
    # netdata/netdata, the collector memcached of go.d
    'netdata': 'limit_maxbytes bytes bytes_read bytes_written cas_badval cmd_get cmd_set '
    'cmd_touch curr_connections curr_items evictions reclaimed rejected_connections '
    'total_connections total_items ' + HITS,
    # open-telemetry/opentelemetry-collector-contrib, receiver/memcachedreceiver/scraper.go
    'OpenTelemetry': 'bytes curr_connections total_connections cmd_get cmd_set cmd_flush '
    'cmd_touch curr_items threads evictions bytes_read bytes_written get_hits get_misses '
    'incr_hits incr_misses decr_hits decr_misses',
    # DataDog/integrations-core, mcache/datadog_checks/mcache/mcache.py
    'Datadog': 'total_items curr_items limit_maxbytes uptime bytes curr_connections '
    'max_connections connection_structures threads pointer_size cmd_get cmd_set '
    'cmd_flush evictions bytes_read bytes_written cas_badval total_connections '
    'listen_disabled_num ' + HITS,
}
SETTINGS = {
    'maxconns': COUNT, 'lru_crawler': WORD, 'lru_crawler_sleep': COUNT,
    'lru_crawler_tocrawl': COUNT, 'lru_maintainer_thread': WORD, 'hot_lru_pct': COUNT,
    'warm_lru_pct': COUNT, 'hot_max_factor': FLOAT, 'warm_max_factor': FLOAT,
}
OF_CLASS = {
    'items': 'number age hits_to_hot hits_to_warm hits_to_cold hits_to_temp '
    'crawler_reclaimed evicted evicted_nonzero evicted_time evicted_unfetched '
    'expired_unfetched outofmemory reclaimed tailrepairs mem_requested moves_to_cold '
    'moves_to_warm moves_within_lru number_hot number_warm number_cold age_hot age_warm '
    'lrutail_reflocked direct_reclaims',
    'slabs': 'get_hits delete_hits incr_hits decr_hits touch_hits cas_hits cas_badval '
    'cmd_set chunk_size chunks_per_page total_pages total_chunks used_chunks free_chunks '
    'free_chunks_end',
}


def setup():
    server = Server('-o', 'track_sizes')
    for i in range(50):
        value = b'v' * (1 + 97 * i)
        server.ask(b'set key%d %d %d %d\r\n%s' % (i, i, 1000 * (i % 2), len(value), value))
    server.ask(b'get key1 key2 none')
    server.ask(b'set bin%%\xff 7 0 %d\r\n%s' % (len(BINARY), BINARY))
    return [server]


def tool(t, server, *mode):
    """What it prints, line by line."""
    done = subprocess.run([TOOL, server.address, *mode], capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    t.same(done.returncode, 0, ' '.join(('memcached-tool', *mode)))
    return done.stdout.decode('latin-1')


def table(text):
    return dict(line.split(None, 1) for line in text.splitlines()
                if line and not line.startswith('#'))


def memcached_tool_shows_the_classes(t, server):
    rows = [line.split() for line in tool(t, server).splitlines()[1:]]
    t.check(len(rows) > 3, 'classes, by their chunks', rows)
    t.same(sum(int(row[4]) for row in rows), int(server.stats()['curr_items']),
           'in which all items are')
    t.check(all(len(row) == 9 and row[2].endswith('s') for row in rows), 'in nine columns')


def memcached_tool_shows_statistics_and_settings(t, server):
    shown = table(tool(t, server, 'stats'))
    t.same(set(shown), set(server.stats()), 'every figure')
    t.same(shown['pid'], str(server.process.pid), 'pid')
    shown = table(tool(t, server, 'settings'))
    t.same(shown['tcpport'], str(server.port), 'tcpport')
    sizes = table(tool(t, server, 'sizes'))
    t.same(sum(map(int, sizes.values())), 51, 'each item has its size')


def memcached_tool_lists_and_dumps_every_item(t, server):
    names = {'key%d' % i for i in range(50)} | {'bin%25%FF'}
    listed = re.findall(r'^key=(\S+) exp=-?\d+ la=\d+ cas=\d+ fetch=(?:yes|no) cls=\d+ '
                        r'size=\d+(?: |$)', tool(t, server, 'keys'), re.M)
    t.same(sorted(listed), sorted(names), 'every key, once')
    dumped = re.findall(r'^add (\S+) (\d+) (\d+) (\d+)\r$', tool(t, server, 'dump'), re.M)
    t.same({name: (int(flags), int(length)) for name, flags, _, length in dumped},
           {**{'key%d' % i: (i, 1 + 97 * i) for i in range(50)},
            'bin%\xff': (7, len(BINARY))}, 'every item, with flags and length')
    t.check(all((int(expiry) > 0) == (name[3:] in map(str, range(1, 50, 2)))
                for name, _, expiry, _ in dumped), 'and the time when it ends, if it does')


def lines(server, request):
    text = server.ask(request).decode()
    return dict(line.split(' ', 2)[1:] for line in text.split('\r\n')
                if line.startswith('STAT '))


def exporters_find_what_they_read(t, server):
    stats = server.stats()
    for name, fields in FIELDS.items():
        t.same([f for f in fields.split() if not COUNT.fullmatch(stats.get(f, ''))], [],
               '%s: %d numbers of stats' % (name, len(fields.split())))
    t.check(all(SECONDS.fullmatch(stats[f]) for f in RUSAGE.split()),
            'seconds have six digits behind the point')
    t.check(int(stats['bytes']) <= int(stats['limit_maxbytes']), 'bytes are in the limit')
    t.check('extstore_limit_maxbytes' not in stats and 'proxy_backend_total' not in stats,
            'nothing begins groups of figures that are not there')
    settings = lines(server, b'stats settings')
    t.same([name for name, form in SETTINGS.items()
            if not form.fullmatch(settings.get(name, ''))], [], 'settings in their form')
    t.check(len(server.ask(b'stats')) < ANSWER_MOST - len(stats) * 8,
            'stats are far from what collectd would cut, were all numbers longer')


def exporters_find_what_they_read_of_classes(t, server):
    numbers = {}
    for kind, pattern in (('items', r'items:(\d+):(\w+)'), ('slabs', r'(\d+):(\w+)')):
        told = numbers[kind] = {}
        for name, value in lines(server, b'stats ' + kind.encode()).items():
            found = re.fullmatch(pattern, name)
            if found:
                told.setdefault(found[1], {})[found[2]] = value
        t.check(told and all(COUNT.fullmatch(of_class.get(f, '')) for f in
                             OF_CLASS[kind].split() for of_class in told.values()),
                'stats %s: each class has all of it' % kind)
    t.check(set(numbers['items']) <= set(numbers['slabs']), 'no items without a slab')
    t.check({'active_slabs', 'total_malloced'} <= set(lines(server, b'stats slabs')),
            'and their sums')


def binary_stat(server, word):
    """All that STAT with this key is answered with, up to the empty packet."""
    found = {}
    with server.connect() as plain, plain.makefile('rb') as file:
        plain.sendall(struct.pack('>BBHBBHIIQ', 0x80, 0x10, len(word), 0, 0, 0, len(word),
                                  0, 0) + word)
        while True:
            head = struct.unpack('>BBHBBHIIQ', file.read(24))
            body = file.read(head[6])
            if not body:
                return found
            found[body[:head[2]].decode()] = body[head[2]:].decode()


def datadog_reads_the_same_by_the_binary_protocol(t, server):
    for word in (b'', b'items', b'slabs', b'settings'):
        request = b'stats ' + word if word else b'stats'
        t.same(sorted(binary_stat(server, word)), sorted(lines(server, request)),
               'STAT %s has the names of the text protocol' % word.decode())


def names_of_memcached():
    """Those of its `stats`, as they were recorded."""
    with open(RECORDED, encoding='latin-1') as file:
        return set(re.findall(r'^S. STAT ([a-z]\w+) ', file.read(), re.M))


def names_in_collectd():
    """What of memcached's figures stands in its plugin. It is a program: all texts in there that
    are names of memcached's, and those that begin as one of them that ends in _ does."""
    with open(COLLECTD_PLUGIN, 'rb') as file:
        texts = {text.decode() for text in re.findall(rb'(?<=\0)[a-z_]+(?=\0)', file.read())}
    begun = tuple(text for text in texts if text.endswith('_') and not text.startswith('_'))
    return {name for name in names_of_memcached()
            if name in texts or begun and name.startswith(begun)}


def names_in_munin():
    with open(MUNIN) as file:
        return set(re.findall(r"\bstat_name *=> *'(\w+)'", file.read()))


def plugins_find_what_stands_in_them(t, server):
    stats = server.stats()
    for plugin, names, some in (
            (COLLECTD_PLUGIN, names_in_collectd, 'curr_items cmd_get cmd_touch get_hits '
             'limit_maxbytes listen_disabled_num bytes_read rusage_user'),
            (MUNIN, names_in_munin, 'get_hits cmd_set total_items bytes')):
        if not os.path.exists(plugin):
            t.skip('what stands in a plugin', 'not installed: ' + plugin)
            continue
        read = names()
        t.same(sorted(set(some.split()) - read), [], plugin + ': some that it is known to read')
        t.same(sorted(read - set(stats)), [], '%s: all %d that stand in it' % (plugin, len(read)))


# Which figure its plugin writes to which file.
COLLECTD_FILES = {
    'memcached_command-flush': 'cmd_flush',
    'memcached_command-get': 'cmd_get',
    'memcached_command-meta': 'cmd_meta',
    'memcached_command-set': 'cmd_set',
    'memcached_command-touch': 'cmd_touch',
    'memcached_items-current': 'curr_items',
    'memcached_ops-decr_hits': 'decr_hits',
    'memcached_ops-decr_misses': 'decr_misses',
    'memcached_ops-delete_hits': 'delete_hits',
    'memcached_ops-delete_misses': 'delete_misses',
    'memcached_ops-evictions': 'evictions',
    'memcached_ops-hits': 'get_hits',
    'memcached_ops-incr_hits': 'incr_hits',
    'memcached_ops-incr_misses': 'incr_misses',
    'memcached_ops-misses': 'get_misses',
    'total_events-listen_disabled': 'listen_disabled_num',
}
# Those that go on while it looks, or are made of others.
COLLECTD_OTHERS = {'connections-opened', 'df-cache', 'memcached_connections-current', 'memcached_octets',
                   'percent-hitratio', 'ps_count', 'ps_cputime', 'uptime'}
COLLECTD_CONF = """
Hostname "here"
FQDNLookup false
BaseDir "{0}"
PIDFile "{0}/pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin logfile
<Plugin logfile>
    File STDERR
    LogLevel info
</Plugin>
LoadPlugin csv
<Plugin csv>
    DataDir "{0}/csv"
</Plugin>
LoadPlugin memcached
<Plugin memcached>
    <Instance "it">
        Address "127.0.0.1"
        Port "{1}"
    </Instance>
</Plugin>
"""


def collectd_reads_what_it_wants(t, server):
    if not os.path.exists(COLLECTD):
        t.skip('collectd', 'not installed: ' + COLLECTD)
        return
    wanted = set(COLLECTD_FILES) | COLLECTD_OTHERS
    before = server.stats()
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + '/conf', 'w') as conf:
            conf.write(COLLECTD_CONF.format(folder, server.port))

        def read():
            """The last line of each file."""
            told = {}
            for path in glob.glob(folder + '/csv/here/memcached-it/*'):
                with open(path, newline='') as file:
                    rows = list(csv.reader(file))[1:]
                name = re.sub(r'-\d{4}-\d\d-\d\d$', '', os.path.basename(path))
                if rows:
                    told[name] = [float(value) for value in rows[-1][1:]]
            return told

        with subprocess.Popen([COLLECTD, '-f', '-C', folder + '/conf'],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              preexec_fn=harness.die_with_parent) as running:
            poll(lambda: set(read()) >= wanted, 60)
            told = read()
            running.terminate()
            said = running.communicate()[1]
    t.same(set(told), wanted, 'collectd finds all that it reads')
    t.same(running.returncode, 0, 'and ends well')
    t.check('memcached plugin: Instance "it": connection established' in said,
            'with nothing to complain of', said)
    t.same({name: told.get(name) for name in COLLECTD_FILES},
           {name: [float(before[field])] for name, field in COLLECTD_FILES.items()},
           'the figures are those of the server')
    t.same(told.get('connections-opened'), [float(before['total_connections']) + 1],
           'and its own connection is one more')
    t.same(sum(told.get('df-cache', [])), float(before['limit_maxbytes']),
           'memory used and free are all that there is')


TOP_CONF = """
delay: 1
mode: t
no_clear: 1
top_mode:
    columns: [hostname, all_version, all_fill_rate, hit_rate, all_curr_items, all_limit_maxbytes]
servers:
    - %s
"""


def damemtop_shows_a_server(t, server):
    if subprocess.run(['perl', '-MAnyEvent', '-MYAML', '-MTerm::ReadKey', '-e1'],
                      stderr=subprocess.DEVNULL).returncode:
        t.skip('damemtop', 'what it needs is not installed')
        return
    stats = server.stats()
    row = re.compile(r'^%s +%s +\S+ +\S+ +%s +%s\b' % tuple(map(re.escape, (
        server.address, stats['version'], stats['curr_items'],
        '{:,}'.format(int(stats['limit_maxbytes']))))), re.M)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 200, 0, 0))
    os.set_blocking(ours, False)
    said = ''

    def shows():
        nonlocal said
        try:
            said += os.read(ours, 65536).decode('latin-1')
        except BlockingIOError:
            pass
        return row.search(said.replace('\r', ''))

    with tempfile.TemporaryDirectory() as home:
        os.mkdir(home + '/.damemtop')
        with open(home + '/.damemtop/damemtop.yaml', 'w') as conf:
            conf.write(TOP_CONF % server.address)
        with subprocess.Popen([TOP], stdin=theirs, stdout=theirs, stderr=theirs,
                              env={**os.environ, 'TERM': 'xterm', 'HOME': home},
                              preexec_fn=harness.die_with_parent) as running:
            t.check(poll(shows, 60), 'damemtop has a row for it', said)
            running.kill()
    os.close(ours)
    os.close(theirs)


# Which figure each value of a graph is.
MUNIN_GRAPHS = {
    'rates': 'cache_hits:get_hits cache_misses:get_misses cmd_get:cmd_get '
    'cmd_set:cmd_set total_items:total_items total_connections:total_connections',
    'bytes': 'bytes_read:bytes_read bytes_written:bytes_written',
    'counters': 'curr_items:curr_items curr_connections:curr_connections '
    'bytes_allocated:bytes',
}
MUNIN_MOVES = {'bytes_read', 'bytes_written', 'curr_connections', 'total_connections'}


def munin_draws_its_graphs(t, server):
    if not os.path.exists(MUNIN):
        t.skip('munin', 'not installed: ' + MUNIN)
        return
    environment = {**os.environ, 'host': '127.0.0.1', 'port': str(server.port)}

    def plugin(graph, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            link = os.path.join(folder, 'memcached_' + graph)
            os.symlink(MUNIN, link)
            return subprocess.run([link, *arguments], env=environment, text=True,
                                  capture_output=True, stdin=subprocess.DEVNULL,
                                  timeout=60).stdout

    t.same(plugin('rates', 'autoconf'), 'yes\n', 'munin sees that something is there')
    for graph, words in MUNIN_GRAPHS.items():
        fields = dict(word.split(':') for word in words.split())
        before = server.stats()
        told = dict(re.findall(r'^memcache_(\w+)\.value (\d+)$', plugin(graph), re.M))
        t.same(set(told), set(fields), 'the values of its graph of ' + graph)
        t.check(all(told.get(name) == before[field] or
                    field in MUNIN_MOVES and int(told[name]) >= int(before[field])
                    for name, field in fields.items()), 'as the server has them',
                (told, before))
        t.check(all('memcache_%s.label' % name in plugin(graph, 'config')
                    for name in fields), 'and what they are called')


if not os.path.exists(TOOL):
    harness.give_up('not installed: ' + TOOL)
harness.run(setup, memcached_tool_shows_the_classes,
            memcached_tool_shows_statistics_and_settings,
            memcached_tool_lists_and_dumps_every_item,
            exporters_find_what_they_read,
            exporters_find_what_they_read_of_classes,
            plugins_find_what_stands_in_them,
            datadog_reads_the_same_by_the_binary_protocol,
            damemtop_shows_a_server,
            collectd_reads_what_it_wants,
            munin_draws_its_graphs)
