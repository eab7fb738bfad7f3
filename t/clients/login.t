#!/usr/bin/python3 -B
"""Logging in: who knows the password, who does not, and who does not try.

What libraries do once they are in is in their own tests, which run with_login().
Here each of them is also sent away. In the text protocol a login is a store, so
that every library can do it, though it has never heard of it: the first thing on a
new connection.
"""
import shutil
import subprocess

import harness
from harness import Server

pylibmc, pymemcache, memcache = harness.need('pylibmc', 'pymemcache', 'memcache')

NODE = '''
const mc = require('memjs').Client.create('127.0.0.1:%d', {retries: 1,
    username: '%s', password: '%s', logger: {log() {}}});
mc.set('memjs', 'v', {}).then((said) => said, () => false)
    .then((said) => { console.log(said); process.exit(); });
'''
RUBY = '''
require 'dalli'
require 'logger'
Dalli.logger = Logger.new(nil)
mc = Dalli::Client.new('127.0.0.1:%d', username: '%s', password: '%s')
puts begin
  mc.set('dalli', 'v') ? true : false
rescue Dalli::DalliError => error
  error.class
end
'''
PHP = '''
$mc = new Memcached(); $mc->setOption(Memcached::OPT_BINARY_PROTOCOL, true);
$mc->addServer('127.0.0.1', %d); $mc->setSaslAuthData('%s', '%s');
echo json_encode($mc->set('php', 'v')), "\\n";
'''
# These know the text protocol alone: they store the login first.
NODE_TEXT = '''
const mc = new (require('memcached'))('127.0.0.1:%d', {poolSize: 1, timeout: 20000});
mc.set('x', '%s %s', 0, (refusal) => mc.set('memcached', 'v', 0, (error) => {
    console.log(!refusal && !error); process.exit(); }));
'''
PERL = '''
use %s;
my $mc = %s->new({servers => ['127.0.0.1:%%d']});
print $mc->set(x => '%%s %%s') && $mc->set('%s', 'v') && $mc->get('%s') eq 'v'
    ? 'true' : 'false';
'''


def perl(module):
    return (module, ['perl', '-e'], PERL % ((module,) * 4),
            ['perl', '-e', 'require ' + module])


# Name, which is its key, how to run it, the program, and whether it can be run.
PROGRAMS = (('memjs', ['node', '-e'], NODE, ['node', '-e', 'require("memjs")']),
            ('dalli', ['ruby', '-e'], RUBY, ['ruby', '-e', 'require "dalli"']),
            ('php', ['php', '-r'], PHP,
             ['php', '-r', 'exit((int)!extension_loaded("memcached"));']),
            ('memcached', ['node', '-e'], NODE_TEXT,
             ['node', '-e', 'require("memcached")']),
            perl('Cache::Memcached'), perl('Cache::Memcached::Fast'))


def setup():
    return (Server(),)


def output(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60,
                          cwd=harness.beside('node')).stdout.strip()


def is_there(command):
    return shutil.which(command[0]) and subprocess.run(
        command, capture_output=True, cwd=harness.beside('node')).returncode == 0


def pylibmc_is_let_in_or_not(t, server):
    user, password = server.login.split(' ', 1)

    def client(**login):
        return pylibmc.Client([server.address], binary=True, **login)
    t.same(client(username=user, password=password).set('k', 'v'), True, 'who knows it')
    for name, login in {'a wrong password': (user, password + 'x'),
                        'half of it': (user, password[:-1]),
                        'somebody else\'s': (user, 'else'),
                        'nobody': ('nobody', password)}.items():
        t.raises(pylibmc.Error,
                 lambda: client(username=login[0], password=login[1]).set('k', 'w'), name)
    t.raises(pylibmc.Error, lambda: client().set('k', 'w'), 'who does not try')
    t.same(server.wire(b'k'), (16, b'v'), 'only the first has stored')


def programs_are_let_in_or_not(t, server):
    user, password = server.login.split(' ', 1)
    for name, command, program, probe in PROGRAMS:
        if not is_there(probe):
            t.skip(name, 'not installed')
            continue
        wrong = output(command + [program % (server.port, user, password + 'x')])
        t.check(wrong != 'true', name + ' with a wrong password: ' + wrong)
        t.same(server.wire(name.encode()), None, 'has stored nothing')
        right = output(command + [program % (server.port, user, password)])
        t.same(right, 'true', name + ' with the right one')
        t.check(server.wire(name.encode()), 'has stored something')


def a_store_is_the_login_of_text(t, server):
    mc = pymemcache.Client(('127.0.0.1', server.port))
    for call, name in ((lambda: mc.get('k'), 'get'), (mc.version, 'version'),
                       (mc.stats, 'stats')):
        t.raises(pymemcache.MemcacheError, call, 'pymemcache before login: ' + name)
        mc.close()
    t.raises(pymemcache.MemcacheError,
             lambda: mc.set('x', 'cache wrong', noreply=False), 'a wrong password')
    t.same(mc.set('x', server.login, noreply=False), True, 'the right one')
    t.same(mc.get('x'), None, 'which was no store')
    t.same(mc.get('k'), b'v', 'and the door is open')
    t.same(mc.set_many({'p1': b'1', 'p2': b'2'}, noreply=False), [], 'for several')
    t.same(mc.get_many(['p1', 'p2', 'p3']), {'p1': b'1', 'p2': b'2'}, 'to be read')
    t.same(mc.incr('p1', 4), 5, 'incr')
    value, cas = mc.gets('p2')
    t.same(mc.cas('p2', value + b'.', cas, noreply=False), True, 'cas')
    t.same(mc.touch('p2', 100, noreply=False), True, 'touch')
    t.same(mc.delete_many(['p1', 'p2'], noreply=False), True, 'delete_many')
    t.same(mc.version(), server.version(), 'and version')
    mc.quit()
    t.raises(pymemcache.MemcacheError, lambda: mc.get('k'), 'until it connects again')

    mc = memcache.Client([server.address])
    t.same(mc.set('x', 'cache wrong'), False, 'python-memcache: a wrong password')
    t.same(mc.set('x', server.login), True, 'the right one')
    t.same(mc.set('m', 'v'), True, 'and the door is open')
    t.same(mc.set_multi({'m1': 1, 'm2': 'two'}), [], 'for several')
    t.same(mc.get_multi(['m1', 'm2', 'm3']), {'m1': 1, 'm2': 'two'}, 'to be read')
    t.same(mc.incr('m1'), 2, 'incr')
    t.same(mc.append('m2', '!'), True, 'append')
    t.same(mc.touch('m2', 100), 1, 'touch')
    t.same(mc.get_stats()[0][1]['pid'], str(server.process.pid), 'statistics')
    t.same(mc.delete_multi(['m1', 'm2']), 1, 'delete_multi')
    mc.disconnect_all()
    t.same(mc.get('m'), None, 'a new connection is outside')

    mc = pylibmc.Client([server.address])
    t.same(mc.get('k'), None, 'pylibmc in text before login')
    mc = pylibmc.Client([server.address])
    t.same(mc.set('x', server.login), True, 'and with one')
    t.same(mc.get('k'), 'v', 'the door is open')


def what_was_tried_is_counted(t, server):
    before = server.stats()
    pymemcache.Client(('127.0.0.1', server.port)).set('x', server.login, noreply=False)
    pylibmc.Client([server.address], binary=True, username='cache',
                   password='s3cret word').set('k', 'v')
    after = server.stats()
    t.same(int(after['auth_cmds']) - int(before['auth_cmds']), 3, 'ours of stats as well')
    t.same(after['auth_errors'], before['auth_errors'], 'none was wrong')


if harness.is_reference():
    print('1..0 # SKIP its options are others')
else:
    harness.run_each({'': harness.with_login(setup)},
                     pylibmc_is_let_in_or_not,
                     programs_are_let_in_or_not,
                     a_store_is_the_login_of_text,
                     what_was_tried_is_counted)
