<?php
/* php-memcached, PHP's extension over libmemcached, with text and binary protocol.
 *
 *   php php-memcached.php text|binary PORT PORT VERSION PID SOCKET
 *
 * Run by php-memcached.t, which numbers what this prints. VERSION and PID are the first
 * server's; the last one listens on SOCKET alone. The extension marks the type of a
 * value and its compression in the flags, which a program sees only in part.
 */
declare(strict_types=1);

const BINARY_PROTOCOL = Memcached::OPT_BINARY_PROTOCOL;
const LARGE = 1000 * 1000;              // near the limit of 1 MiB
const TOO_LARGE = 1024 * 1024 + 1;

[, $protocol, $first, $second, $version, $pid, $socket] = $argv;
$binary = $protocol === 'binary';
$first = (int)$first;
$second = (int)$second;
// Every byte value, and words of the protocol where a careless parser would stop.
$bytes = implode('', array_map('chr', range(0, 255))) . "\r\nEND\r\nVALUE k 0 1\r\n\0\0\r\n";

function check(bool $good, string $name, string $detail = ''): bool
{
    echo $good ? 'ok' : 'not ok', " - $name\n";
    if (!$good && $detail !== '') {
        echo preg_replace('/^/m', '# ', $detail), "\n";
    }
    return $good;
}

function shown(mixed $value): string
{
    return substr(str_replace("\n", ' ', var_export($value, true)), 0, 300);
}

function same(mixed $got, mixed $want, string $name): bool
{
    return check($got === $want, $name, 'got  ' . shown($got) . "\nwant " . shown($want));
}

/* The operation fails, for this reason. */
function refused(Memcached $mc, mixed $got, int $code, string $name): bool
{
    return check($got === false && $mc->getResultCode() === $code, $name,
        shown($got) . ', ' . $mc->getResultCode() . ': ' . $mc->getResultMessage());
}

/* '@advance 2' and the like, for the harness to do. */
function order(string $text): void
{
    echo "$text\n";
    fgets(STDIN);
}

function eventually(callable $condition, float $seconds = 10): bool
{
    $deadline = microtime(true) + $seconds;
    while (!$condition()) {
        if (microtime(true) > $deadline) {
            return false;
        }
        usleep(20000);
    }
    return true;
}

function client(array $options = [], ?array $servers = null): Memcached
{
    global $first, $binary;

    $mc = new Memcached();
    $login = getenv('CLIENT_LOGIN');
    $mc->setOptions($options + [
        BINARY_PROTOCOL => $binary,
        Memcached::OPT_TCP_NODELAY => true,
        Memcached::OPT_POLL_TIMEOUT => 20000,
        Memcached::OPT_CONNECT_TIMEOUT => 20000,
    ]);
    if ($login !== false) {
        $mc->setSaslAuthData(...explode(' ', $login, 2));
    }
    $mc->addServers($servers ?? [['127.0.0.1', $first]]);
    return $mc;
}

$sections = [];

$sections['stores answer as each command should'] = function (Memcached $mc) {
    global $binary;

    // The binary protocol says why a store was refused, the text protocol that it was.
    refused($mc, $mc->replace('k', 'r'),
        $binary ? Memcached::RES_NOTFOUND : Memcached::RES_NOTSTORED, 'replace of nothing');
    $mc->setOption(Memcached::OPT_COMPRESSION, false);      // for append and prepend
    refused($mc, $mc->append('k', 'r'), Memcached::RES_NOTSTORED, 'append to nothing');
    refused($mc, $mc->prepend('k', 'r'), Memcached::RES_NOTSTORED, 'prepend to nothing');
    refused($mc, $mc->get('k'), Memcached::RES_NOTFOUND, 'none of them stored');
    same($mc->add('k', 'one'), true, 'add of a new key');
    refused($mc, $mc->add('k', 'two'),
        $binary ? Memcached::RES_DATA_EXISTS : Memcached::RES_NOTSTORED, 'add of an old key');
    same($mc->get('k'), 'one', 'which keeps its value');
    same($mc->replace('k', 'three'), true, 'replace of an old key');
    same($mc->append('k', '-end'), true, 'append');
    same($mc->prepend('k', 'start-'), true, 'prepend');
    same($mc->get('k'), 'start-three-end', 'all in place');
    same($mc->delete('k'), true, 'delete');
    refused($mc, $mc->delete('k'), Memcached::RES_NOTFOUND, 'delete again');
    same($mc->set('k', ''), true, 'an empty value');
    same($mc->get('k'), '', 'is not a missing one');
    same($mc->get('filled', function ($mc, $key, &$value) {
        $value = "read through for $key";
        return true;
    }), 'read through for filled', 'a callback fills a miss');
    same($mc->get('filled'), 'read through for filled', 'and stores it');
    $mc->setOption(Memcached::OPT_COMPRESSION, true);
};

$sections['values keep their types by flags'] = function (Memcached $mc) {
    $values = ['text' => "gr\u{fc}\u{df} \u{4e16}", 'integer' => PHP_INT_MIN, 'float' => 2.5,
               'infinite' => INF, 'true' => true, 'false' => false, 'null' => null,
               'tree' => ['a' => [1, 2.5, null], 'b' => ["\0" => "\xff"]]];
    foreach ($values as $name => $value) {
        same($mc->set($name, $value), true, "$name is set");
        same($mc->get($name), $value, 'and comes back');
    }
    same($mc->getResultCode(), Memcached::RES_SUCCESS, 'false and null are no misses');
    $serializers = ['PHP' => Memcached::SERIALIZER_PHP,
                    'igbinary' => Memcached::SERIALIZER_IGBINARY,
                    'JSON' => Memcached::SERIALIZER_JSON_ARRAY,
                    'msgpack' => Memcached::SERIALIZER_MSGPACK];
    foreach ($serializers as $name => $serializer) {
        $packing = client([Memcached::OPT_SERIALIZER => $serializer]);
        $packing->set('packed', ['a' => [1, 'x']]);
        same($packing->get('packed'), ['a' => [1, 'x']], "a tree is packed by $name");
        same((array)$mc->get('packed'), ['a' => [1, 'x']], 'and is known by its flags');
    }
    $mc->setOption(Memcached::OPT_USER_FLAGS, 0xabc);
    $mc->set('flagged', 'v');
    same($mc->get('flagged', null, Memcached::GET_EXTENDED)['flags'], 0xabc, 'flags of users');
    $mc->setOption(Memcached::OPT_USER_FLAGS, -1);
};

$sections['values of any bytes and sizes come back'] = function (Memcached $mc) {
    global $bytes;

    $mc->setOption(Memcached::OPT_COMPRESSION, false);
    foreach ([0, 1, 255, 256, 16384, 65536, 524288, LARGE] as $size) {
        $value = substr(str_repeat($bytes, intdiv($size, strlen($bytes)) + 1), 0, $size);
        same($mc->set('sized', $value), true, "$size bytes are set");
        check($mc->get('sized') === $value, 'and come back');
    }
    refused($mc, $mc->set('sized', str_repeat('x', TOO_LARGE)), Memcached::RES_E2BIG,
        'more than 1 MiB is refused');
    refused($mc, $mc->get('sized'), Memcached::RES_NOTFOUND,
        'and a refused set takes the old value away');
    $mc->setOption(Memcached::OPT_COMPRESSION, true);
    foreach ([Memcached::COMPRESSION_FASTLZ, Memcached::COMPRESSION_ZLIB] as $type) {
        $mc->setOption(Memcached::OPT_COMPRESSION_TYPE, $type);
        $text = str_repeat('squeeze me ', 200000);
        same($mc->set('squeezed', $text), true, '2 MB of text, compressed');
        check($mc->get('squeezed') === $text, 'come back');
    }
};

$sections['keys may be long, unicode, prefixed and, in binary, anything'] =
    function (Memcached $mc) {
        global $binary;

        $longest = str_repeat('k', 250);
        same($mc->set($longest, 'longest'), true, 'a key of 250 bytes');
        $mc->set(substr($longest, 1), 'shorter');
        same($mc->get($longest), 'longest', 'differs from one of 249');
        refused($mc, $mc->get("k$longest"), Memcached::RES_BAD_KEY_PROVIDED,
            'one of 251 never leaves');
        if ($binary) {
            same($mc->set("\u{1F980}", 'crab'), true, 'UTF-8');
            same($mc->get("\u{1F980}"), 'crab', 'is found');
            same($mc->set("a b\tc", 'spaced'), true, 'spaces');
            same($mc->get("a b\tc"), 'spaced', 'are found');
            same($mc->getMulti(["a b\tc", 'a']), ["a b\tc" => 'spaced'], 'also among others');
        } else {
            foreach (['a b', "\u{1F980}"] as $key) {
                refused($mc, $mc->set($key, 'v'), Memcached::RES_BAD_KEY_PROVIDED,
                    "'$key' never leaves");
            }
        }
        $prefixed = client([Memcached::OPT_PREFIX_KEY => 'pre:']);
        $prefixed->set('k', 'with');
        same($prefixed->getMulti(['k', 'none']), ['k' => 'with'], 'a prefix is taken off again');
        same($mc->get('pre:k'), 'with', 'and was on the wire');
    };

$sections['compare and set notices a change'] = function (Memcached $mc) {
    $read = fn ($key) => $mc->get($key, null, Memcached::GET_EXTENDED);

    refused($mc, $mc->cas(1.0, 'missing', 'v'), Memcached::RES_NOTFOUND, 'cas of nothing');
    $mc->set('cas', 'one');
    ['value' => $value, 'cas' => $cas] = $read('cas');
    same($value, 'one', 'an extended get gives the value');
    check($cas > 0 && $read('cas')['cas'] === $cas, 'and a number, twice the same');
    same($mc->cas($cas, 'cas', 'two'), true, 'cas with it stores');
    refused($mc, $mc->cas($cas, 'cas', 'three'), Memcached::RES_DATA_EXISTS, 'and only once');
    same($mc->get('cas'), 'two', 'the second attempt changed nothing');
    $cas = $read('cas')['cas'];
    $mc->touch('cas', 600);
    same($mc->cas($cas, 'cas', 'three'), true, 'touch does not spend it');
};

$sections['counters wrap at 64 bits and stop at nought'] = function (Memcached $mc) {
    global $binary;

    refused($mc, $mc->increment('n'), Memcached::RES_NOTFOUND, 'incr of nothing');
    refused($mc, $mc->decrement('n'), Memcached::RES_NOTFOUND, 'decr of nothing');
    $mc->set('n', 9);
    same($mc->increment('n'), 10, 'incr over a digit');
    same($mc->decrement('n', 3), 7, 'decr');
    same($mc->get('n'), 7, 'is still an integer');
    same($mc->decrement('n', 100), 0, 'decr stops at nought');
    $mc->set('n', '18446744073709551615');
    same($mc->increment('n', 8), 7, 'incr wraps at 64 bits');
    $mc->set('n', 'five');
    // libmemcached does not know the status by which the binary protocol says so.
    refused($mc, $mc->increment('n'),
        $binary ? Memcached::RES_UNKNOWN_READ_FAILURE : Memcached::RES_CLIENT_ERROR,
        'incr of a word');
    same($mc->get('n'), 'five', 'leaves it');
    if ($binary) {
        same($mc->increment('begun', 1, 40, 600), 40, 'incr begins with an initial value');
        same($mc->increment('begun', 2, 7, 600), 42, 'which counts only once');
        same($mc->decrement('down', 1, 9), 9, 'so does decr');
        same($mc->incrementByKey('place', 'placed', 1, 5), 5, 'and by a place');
    } else {
        same(@$mc->increment('begun', 1, 40, 600), false, 'in text nothing begins');
    }
};

$sections['hundreds of keys go in one request'] = function (Memcached $mc) {
    $values = [];
    for ($i = 0; $i < 600; $i++) {
        $values["many:$i:" . str_repeat('x', $i % 180)] = str_repeat("$i,", $i % 40);
    }
    $keys = array_keys($values);
    $missing = array_map(fn ($i) => "many:missing:$i", range(1, 300));
    $asked = array_merge($missing, $keys);

    same($mc->setMulti($values, 600), true, 'setMulti of 600');
    $got = $mc->getMulti($asked);
    ksort($got);
    $sorted = $values;
    ksort($sorted);
    check($got === $sorted, 'getMulti of 900 finds them');
    $got = $mc->getMulti(['many:missing:1', ...array_slice($keys, 0, 3)],
        Memcached::GET_PRESERVE_ORDER);
    same(array_keys($got), ['many:missing:1', ...array_slice($keys, 0, 3)], 'in order, if told');
    same($mc->getDelayed($asked, true), true, 'getDelayed of 900');
    $cas = [];
    while ($row = $mc->fetch()) {
        $cas[$row['key']] = [$row['value'], $row['cas'] > 0];
    }
    ksort($cas);
    check($cas === array_map(fn ($value) => [$value, true], $sorted), 'each with its cas');
    $mc->getDelayed(array_slice($keys, 0, 5));
    same(count($mc->fetchAll()), 5, 'fetchAll');
    $results = $mc->deleteMulti([...array_slice($keys, 0, 300), 'many:missing:1']);
    same(array_pop($results), Memcached::RES_NOTFOUND, 'deleteMulti names what was missing');
    same(array_unique(array_values($results)), [true], 'and deletes the others');
    same(count($mc->getMulti($asked)), 300, '300 are left');
};

$sections['writes may be silent and buffered'] = function (Memcached $mc) {
    $quiet = client([Memcached::OPT_NOREPLY => true, Memcached::OPT_COMPRESSION => false]);
    $quiet->set('q', 'b');
    $quiet->add('q', 'lost');
    $quiet->append('q', 'c');
    $quiet->prepend('q', 'a');
    same($quiet->get('q'), 'abc', 'noreply: set, add, append, prepend');
    $quiet->replace('q', 'new');
    same($quiet->get('q'), 'new', 'replace');
    $quiet->delete('q');
    same($quiet->get('q'), false, 'delete');
    $values = array_combine(array_map(fn ($i) => "q$i", range(1, 300)), range(1, 300));
    $quiet->setMulti($values);
    same($quiet->getMulti(array_keys($values)), $values, 'setMulti of 300');
    $buffered = client([Memcached::OPT_BUFFER_WRITES => true, Memcached::OPT_NO_BLOCK => true]);
    foreach ($values as $key => $value) {
        $buffered->set("b$key", $value);
    }
    same($buffered->flushBuffers(), true, 'buffered: flushBuffers');
    $asked = array_map(fn ($key) => "b$key", array_keys($values));
    check(eventually(fn () => count($mc->getMulti($asked)) === 300), 'another client sees 300');
};

$sections['expiry follows the time given'] = function (Memcached $mc) {
    $now = time();
    $times = [[$now - 10, false, 'a date in the past'], [$now + 1000, true, 'a date to come'],
              [30 * 86400, true, 'thirty days'],
              [30 * 86400 + 1, false, 'a second more is a date in 1970']];
    foreach ($times as [$time, $there, $name]) {
        same($mc->set('e', 'v', $time), true, "$name: stored");
        same($mc->get('e'), $there ? 'v' : false, $there ? 'and there' : 'and gone');
    }
    $mc->setMulti(['short' => 'v', 'prolonged' => 'v'], 2);
    $mc->setMulti(['long' => 'v', 'shortened' => 'v', 'replaced' => 'v']);
    $mc->add('added', 'v', 2);
    same($mc->replace('replaced', 'w', 2), true, 'replace with a time');
    same($mc->touch('shortened', 2), true, 'touch');
    same($mc->touch('prolonged', 600), true, 'another one');
    refused($mc, $mc->touch('missing', 2), Memcached::RES_NOTFOUND, 'touch of nothing');
    same($mc->get('short'), 'v', 'a value for two seconds is there at first');
    order('@advance 3');
    same($mc->getMulti(['short', 'shortened', 'added', 'replaced']), [], 'then it is gone');
    same($mc->getMulti(['long', 'prolonged']), ['long' => 'v', 'prolonged' => 'v'],
        'what lives longer is there');
};

$sections['statistics and version are readable'] = function (Memcached $mc) {
    global $first, $version, $pid;

    $name = "127.0.0.1:$first";
    same($mc->getVersion(), [$name => implode('.', sscanf($version, '%d.%d.%d'))], 'version');
    $before = $mc->getStats()[$name];
    same([$before['pid'], $before['version'], $before['limit_maxbytes']],
        [(int)$pid, $version, 64 << 20], 'pid, version and limit');
    $mc->set('s', 'v');
    $mc->get('s');
    $mc->get('missing');
    $after = $mc->getStats()[$name];
    same(array_map(fn ($counter) => $after[$counter] - $before[$counter],
        ['cmd_set', 'cmd_get', 'get_hits', 'get_misses', 'total_items']),
        [1, 2, 1, 1, 1], 'counters move by what was done');
    same($mc->getStats('settings')[$name]['tcpport'], $first, 'settings');
    same($mc->get('s'), 'v', 'and the dialogue goes on');
};

$sections['all keys can be listed, in text'] = function (Memcached $mc) {
    global $second, $binary;

    $there = client([], [['127.0.0.1', $second]]);
    same($there->flush(), true, 'an empty server');
    same($there->setMulti(['one' => 1, 'two' => str_repeat('x', 5000), 'three' => 3]), true,
        'gets three values');
    if ($binary) {
        refused($there, $there->getAllKeys(), Memcached::RES_NOT_SUPPORTED, 'getAllKeys');
        return;
    }
    // memcached lists what has become cold.
    check(eventually(function () use ($there) {
        $keys = $there->getAllKeys();
        sort($keys);
        return $keys === ['one', 'three', 'two'];
    }), 'getAllKeys');
    same($there->get('one'), 1, 'and the dialogue goes on');
};

$sections['two servers share the keys'] = function (Memcached $mc) {
    global $first, $second;

    $ring = client([Memcached::OPT_LIBKETAMA_COMPATIBLE => true],
        [['127.0.0.1', $first], ['127.0.0.1', $second]]);
    $values = [];
    for ($i = 0; $i < 400; $i++) {
        $values["ring:$i"] = $i;
    }
    $stored = fn () => array_column($ring->getStats(), 'cmd_set');
    $before = $stored();
    same($ring->setMulti($values), true, 'setMulti');
    $held = array_map(fn ($after, $n) => $after - $n, $stored(), $before);
    check(array_sum($held) === 400 && min($held) > 60, 'each holds its share', shown($held));
    $got = $ring->getMulti([...array_keys($values), 'missing']);
    check(count($got) === 400 && array_diff_assoc($values, $got) === [], 'getMulti asks both');
    same($ring->setByKey('group', 'a', 1) && $ring->addByKey('group', 'b', 2)
        && $ring->setMultiByKey('group', ['c' => 3, 'd' => 4]), true, 'keys of one place');
    same($ring->getMultiByKey('group', ['a', 'b', 'c', 'd']),
        ['a' => 1, 'b' => 2, 'c' => 3, 'd' => 4], 'are there together');
    ['host' => $host, 'port' => $port] = $ring->getServerByKey('group');
    same(client([], [[$host, $port]])->get('a'), 1, 'on the server that it names');
    same($ring->touchByKey('group', 'a', 600) && $ring->replaceByKey('group', 'b', 3)
        && $ring->deleteByKey('group', 'c'), true, 'touch, replace and delete there');
    same($ring->getByKey('group', 'b'), 3, 'and get');
    $ring->setOption(Memcached::OPT_COMPRESSION, false);
    $ring->setByKey('group', 'b', '3');
    same($ring->appendByKey('group', 'b', '4') && $ring->prependByKey('group', 'b', '2'),
        true, 'append and prepend');
    same($ring->decrementByKey('group', 'b', 34), 200, 'decr');
    $ring->setByKey('group', 'b', 'one');
    ['cas' => $cas] = $ring->getByKey('group', 'b', null, Memcached::GET_EXTENDED);
    same($ring->casByKey($cas, 'group', 'b', 'two'), true, 'cas');
    same($ring->casByKey($cas, 'group', 'b', 'three'), false, 'and only once');
    same($ring->getDelayedByKey('group', ['b', 'missing']), true, 'getDelayed');
    same(array_column($ring->fetchAll(), 'value', 'key'), ['b' => 'two'],
        'and what it has found');
    same($ring->deleteMultiByKey('group', ['a', 'b', 'missing']),
        ['a' => true, 'b' => true, 'missing' => Memcached::RES_NOTFOUND], 'deleteMulti');
    same(count($ring->getStats()), 2, 'statistics of both');
};

$sections['replicas serve when a server has gone'] = function (Memcached $mc) {
    global $first, $second, $binary;

    if (!$binary) {
        return;     // the text protocol has none
    }
    $ring = fn () => client([Memcached::OPT_LIBKETAMA_COMPATIBLE => true,
        Memcached::OPT_NUMBER_OF_REPLICAS => 1],
        [['127.0.0.1', $first], ['127.0.0.1', $second]]);
    $keys = array_map(fn ($i) => "replica:$i", range(1, 100));
    $mc = $ring();
    foreach ($keys as $key) {
        $mc->set($key, $key);
    }
    $mc->quit();
    order('@stop 1');
    $mc = $ring();
    same(array_map(fn ($key) => $mc->get($key), $keys), $keys, 'every key is read without it');
    order('@start 1');
};

$sections['flush takes all that was there before'] = function (Memcached $mc) {
    global $second;

    $there = client([], [['127.0.0.1', $second]]);
    $there->set('f', 'v');
    same($there->flush(600), true, 'flush with a delay');
    same($there->get('f'), 'v', 'does nothing yet');
    same($there->flush(), true, 'flush');
    same($there->get('f'), false, 'takes the old value');
    $there->set('f', 'w');
    same($there->get('f'), 'w', 'and spares one stored in the same second');
};

$sections['a unix socket serves as well'] = function () {
    global $socket, $bytes;

    $local = client([], [[$socket, 0]]);
    if (getenv('CLIENT_LOGIN') !== false) {     // libmemcached cannot log in there
        same($local->set('u', 'v'), false, 'not with a login');
        return;
    }
    same($local->set('u', $bytes), true, 'set');
    same($local->get('u'), $bytes, 'get');
};

/* A script of its own, since a session may not begin after output. */
function session(string $code, string ...$settings): string
{
    global $first, $binary;

    $settings = ['session.save_handler=memcached', "session.save_path=127.0.0.1:$first",
        'session.use_cookies=0', 'session.cache_limiter=', 'memcached.sess_lock_retries=2',
        'memcached.sess_lock_wait_min=20', 'memcached.sess_lock_wait_max=40',
        'memcached.sess_binary_protocol=' . ($binary ? 'On' : 'Off'), ...$settings];
    if (getenv('CLIENT_LOGIN') !== false) {
        [$user, $password] = explode(' ', getenv('CLIENT_LOGIN'), 2);
        array_push($settings, "memcached.sess_sasl_username=$user",
            "memcached.sess_sasl_password=\"$password\"");
    }
    $command = [PHP_BINARY];
    foreach ($settings as $setting) {
        array_push($command, '-d', $setting);
    }
    $command[] = '-r';
    $command[] = "session_id('someone'); $code";
    $running = proc_open($command, [1 => ['pipe', 'w'], 2 => ['redirect', 1]], $pipes);
    $output = stream_get_contents($pipes[1]);
    proc_close($running);
    return trim($output);
}

$sections['sessions are kept and locked'] = function (Memcached $mc) {
    same(session('session_start(); $_SESSION["n"] = 41; echo "made";'), 'made', 'one is made');
    same(session('session_start(); echo ++$_SESSION["n"];'), '42', 'read and changed');
    same(session('session_start(); echo $_SESSION["n"];'), '42', 'read again');
    check(is_string($mc->get('memc.sess.key.someone')), 'it is on the server');
    same($mc->get('memc.sess.key.lock.someone'), false, 'and not locked any more');
    $mc->add('memc.sess.key.lock.someone', '1');
    check(str_contains(session('session_start();'), 'Failed to read session data'),
        'one that is locked is not to be had');
    $mc->delete('memc.sess.key.lock.someone');
    same(session('session_start(); session_destroy(); echo "gone";'), 'gone', 'destroyed');
    same($mc->get('memc.sess.key.someone'), false, 'it is gone from the server');
};

$sections['the client survives a restart'] = function (Memcached $mc) {
    $mc->set('r', 'before');
    order('@restart 0');
    check(eventually(fn () => $mc->set('r', 'after')), 'it connects again');
    same($mc->get('r'), 'after', 'and works');
};

$mc = client([Memcached::OPT_RETRY_TIMEOUT => 0]);
foreach ($sections as $name => $section) {
    echo "# $name\n";
    try {
        $section($mc);
    } catch (Throwable $error) {        // one section's death must not hide the next
        check(false, "$name: it runs to its end", (string)$error);
    }
}
echo "# done\n";
