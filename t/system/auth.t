# Logging in: the file, its hashes, HUP, and a gate that is the same by every way in.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use File::Temp 'tempdir';
use IPC::Open2;
use POSIX ();

plan skip_all => 'its command line is larder\'s' if is_reference();

my $folder = tempdir(CLEANUP => 1);
my $file   = "$folder/users";
my @root   = $> == 0 ? ('-u' => 'root') : ();

sub write_file ($text, $mode = 0600) {
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out;
    chmod $mode, $file or die "$file: $!\n";
}

sub login ($user, $password) {
    return set('x', "$user $password");
}

# A fresh connection's answer to a login.
sub answer ($daemon, $user, $password) {
    return $daemon->connect(anonymous => 1)->ask(login($user, $password));
}

my $granted = "STORED\r\n";
my $refused = "CLIENT_ERROR authentication failure\r\n";
my $shut    = "CLIENT_ERROR unauthenticated\r\n";

# --- binary ------------------------------------------------------------------

sub request ($opcode, $key = '', $value = '') {
    return pack('CCnCCnNNN2', 0x80, $opcode, length $key, 0, 0, 0, length "$key$value",
        7, 0, 0) . $key . $value;
}

# The status and the body of the answer.
sub binary ($connection, @request) {
    $connection->send(request(@request));
    my $header = $connection->receive(24);
    my (undef, undef, undef, undef, undef, $status, $length) = unpack 'CCnCCnN', $header;
    return join ' ', $status, $connection->receive($length);
}

# --- the gate, by every way in -----------------------------------------------

write_file("foo:bar\nuser:pass word\n");
for my $way (
    [ 'over TCP',           '-Y' => $file ],
    [ 'over a unix socket', '-Y' => $file, '-s' => "$folder/socket" ],
    [ 'beside SASL',        '-Y' => $file, '-S' ],
    [ 'on a listener that negotiates', '-Y' => $file, '-l',
        'proto[negotiating]:127.0.0.1' ],
    [ 'on a listener for text', '-Y' => $file, '-S', '-l', 'proto[ascii]:127.0.0.1' ],
) {
    my ($name, @args) = @$way;
    my $d = Daemon->start({ login => 'foo bar' }, @args, '-t' => 1);
    my $c = $d->connect(anonymous => 1);

    for my $command ("get a\r\n", "mg a v\r\n", "version\r\n", "stats\r\n", "flush_all\r\n",
        "watch fetchers\r\n", "shutdown\r\n") {
        is($c->ask($command), $shut, "$name: refused before login: " . shown($command));
    }
    is($c->ask(login('foo', 'baz')),         $refused, "$name: a wrong password");
    is($c->ask(login('user', 'pass word')),  $granted, "$name: the right one");
    $c->expect(set('k', 'v') . "mg k v\r\n", "STORED\r\nVA 1\r\nv\r\n", "$name: all is open");
    is($d->connect(anonymous => 1)->ask("get k\r\n"), $shut, "$name: for this one alone");
    is($d->stat('auth_errors'), 1, "$name: the wrong one is counted");
    is($d->stats('settings')->{auth_enabled_ascii}, $file, "$name: the file is shown");
    $d->stop_clean;
}

{
    my $d = Daemon->start({ login => 'foo bar' }, '-Y' => $file);
    my $c = $d->connect(anonymous => 1);

    $c->send("\x80\n" . "\0" x 22);
    $c->closed('-Y alone does not speak binary');
    $c = $d->connect(anonymous => 1);
    $c->ask("get a\r\n") for 1 .. 9;
    is($c->ask("get a\r\n"), $shut, 'the tenth refusal is answered');
    $c->closed('and is the last');
    $c = $d->connect(anonymous => 1);
    $c->send("set x 0 0 7\r\nfoo");
    $c->send(" bar\r\nversion\r\n");
    is($c->line, $granted, 'a login in pieces');
    like($c->line, qr/^VERSION /, 'and what follows it');
    $c = $d->connect(anonymous => 1);
    $c->send('x' x 3000);
    $c->closed('a line without an end');
    $d->stop_clean;
}

# --- SASL --------------------------------------------------------------------

{
    my $d = Daemon->start({ login => 'foo bar' }, '-Y' => $file, '-S');
    my $c = $d->connect(anonymous => 1);

    is(binary($c, 0x20), '0 PLAIN', 'there is one mechanism');
    is(binary($c, 0x21, 'PLAIN', "\0foo\0baz"), '32 Auth failure.',  'a wrong password');
    is(binary($c, 0x21, 'PLAIN', "\0nobody\0bar"), '32 Auth failure.', 'no such user');
    is(binary($c, 0x21, 'PLAIN', "\0user\0pass word"), '0 Authenticated', 'the right one');
    is(binary($c, 0x0a), '0 ', 'and all is open');
    is(binary($d->connect(anonymous => 1), 0x00, 'k'), '32 Auth failure.',
        'for this one alone');
    is($d->stats('settings')->{auth_enabled_sasl}, 'yes', 'SASL is shown');
    $d->stop_clean;
}

# --- HUP ---------------------------------------------------------------------

{
    my $d = Daemon->start({ login => 'foo bar', verbose => 1 }, '-Y' => $file, '-v');
    my $old = $d->connect(anonymous => 1);

    $old->ask(login('foo', 'bar'));
    write_file("foo:new\n");
    is(answer($d, 'foo', 'new'), $refused, 'nothing is read without a HUP');
    kill HUP => $d->pid;
    ok(eventually(sub { $d->said =~ /^the passwords were read again$/m }), 'HUP reads');
    is(answer($d, 'foo', 'new'), $granted, 'the new password is right');
    is(answer($d, 'foo', 'bar'), $refused, 'the old one is not');
    $old->expect("get k\r\n", "END\r\n", 'who was logged in stays so');

    my $told = 0;
    for my $bad ([ "foo\n", 'foo:1: not user:password', 'a line that is none' ],
        [ '', 'nobody stands in it', 'an empty file' ],
        [ "foo:third\n", 'everybody may write to it', 'a file of everybody', 0666 ]) {
        my ($text, $says, $name, $mode) = @$bad;
        my ($what) = $says =~ /(?:foo)?(.*)/;

        write_file($text, $mode // 0600);
        kill HUP => $d->pid;
        ok(eventually(sub {
            $d->said =~ /\Q$file$what\E; the old passwords stay in force$/m
                || $d->said =~ /\Q$file: $what\E; the old passwords stay in force$/m }),
            "$name is told of");
        is(answer($d, 'foo', 'new'),   $granted, 'and the old passwords stay');
        is(answer($d, 'foo', 'third'), $refused, 'and no other is right');
    }
    for my $turn (1, 2) {
        write_file("foo:new\n", 0644);
        kill HUP => $d->pid;
        ok(eventually(sub { $turn == (() = $d->said =~ /^warning: everybody can read the passwords in \Q$file\E$/mg) }),
            'a file that everybody can read is warned of, each time');
    }
    unlink $file;
    kill HUP => $d->pid;
    ok(eventually(sub { $d->said =~ /No such file or directory; the old passwords/ }),
        'a file that is gone is told of');
    is(answer($d, 'foo', 'new'), $granted, 'and the old passwords stay');
    write_file("foo:back\n");
    kill HUP => $d->pid;
    ok(eventually(sub { answer($d, 'foo', 'back') eq $granted }), 'and it may come back');
    unlike($d->said, qr/third|back/, 'no password is ever said');
    $d->stop_clean;
}

# --- HUP under load ----------------------------------------------------------

# In a process of its own: log in until the file `stop` is there. How often, or what was
# wrong.
sub log_in_again_and_again ($d) {
    my @tries = ([ 'steady', 'same', $granted ], [ 'steady', 'other', $refused ],
        [ 'turns', 'even', "($granted|$refused)" ], [ 'turns', 'odd', "($granted|$refused)" ]);
    my $logins = 0;

    until (-e "$folder/stop") {
        for (@tries) {
            my ($user, $password, $wanted) = @$_;
            my $said = eval { answer($d, $user, $password) } // "nothing: $@";

            return "$user $password: " . shown($said) if $said !~ /\A$wanted\z/;
            $logins++;
        }
    }
    return $logins;
}

sub fork_clients ($d, $count) {
    return map {
        my $pid = open(my $from, '-|') // die "fork: $!\n";

        if ($pid == 0) {
            syswrite STDOUT, log_in_again_and_again($d);
            POSIX::_exit(0);
        }
        $from;
    } 1 .. $count;
}

# Complete at any time, as an administrator should replace it.
sub replace_file ($text) {
    open my $out, '>', "$file.new" or die "$file.new: $!\n";
    print $out $text;
    close $out;
    chmod 0600, "$file.new";
    rename "$file.new", $file or die "$file: $!\n";
}

{
    my %text = map { $_ => "steady:same\nturns:$_\n" . join '', map { "u$_:p\n" } 1 .. 30 }
        qw(even odd);

    write_file($text{odd});
    my $d = Daemon->start({ login => 'steady same', verbose => 1 }, '-Y' => $file, '-v');
    my @clients = fork_clients($d, 4);
    my $read = 0;

    for my $turn (1 .. 100) {
        replace_file($text{ $turn % 2 ? 'even' : 'odd' });
        kill HUP => $d->pid;
        last if !eventually(sub {
            (() = $d->said =~ /^the passwords were read again$/mg) == $turn });
        $read++;
    }
    is($read, 100, 'the file is read a hundred times while clients log in');
    open my $stop, '>', "$folder/stop" or die "$folder/stop: $!\n";
    is(answer($d, 'turns', 'odd'),  $granted, 'the last one is in force');
    is(answer($d, 'turns', 'even'), $refused, 'and it alone');
    for my $client (@clients) {
        my $said = join '', <$client>;

        like($said, qr/\A[1-9]\d*\z/, 'who logged in meanwhile was let in or refused as he should');
        close $client;
    }
    $d->stop_clean;
}

# --- as memcached's readers have them ----------------------------------------

{
    write_file("# who may log in\r\n\r\nfoo:bar\r\nfoo:second:2\r\n#\n#foo:third");
    my $d = Daemon->start({ login => 'foo bar' }, '-Y' => $file);

    is(answer($d, 'foo', 'bar'),      $granted, 'lines end with CR LF, or are empty');
    is(answer($d, 'foo', 'second:2'), $granted, 'a user has two passwords, one with a colon');
    is(answer($d, '#foo', 'third'),   $granted, 'a comment with a colon is a user');
    is(answer($d, 'foo', 'third'),    $refused, 'and no other');
    $d->stop_clean;
}

# --- salted hashes -----------------------------------------------------------

# The program that the manual shows, which asks its terminal: here there is none.
sub hashed ($password) {
    open my $in, '<', 'doc/larder.1' or die "doc/larder.1: $!\n";
    my ($program) = join('', <$in>) =~ /^python3 \\-c \\\(aq(.*?)\\\(aq$/ms;
    my $pid = open2(my $out, my $to, 'sh', '-c', 'exec setsid python3 -c "$0" 2>/dev/null',
        $program =~ s/\\-/-/gr);

    print $to "$password\n";
    close $to;
    my ($hash) = map { /(\$pbkdf2-.*)/ ? $1 : () } <$out>;
    waitpid $pid, 0;
    return $hash // '';
}

{
    my $hash = hashed('t0p secret');

    like($hash, qr/^\$pbkdf2-sha256\$5000\$[^\$]{24}\$[^\$]{44}\z/, 'the manual makes a hash');
    write_file("safe:$hash\nfoo:bar\n");
    my $d = Daemon->start({ login => 'foo bar' }, '-Y' => $file, '-S');
    my $c = $d->connect(anonymous => 1);

    is(answer($d, 'safe', 't0p secret'), $granted, 'with which its password is right');
    is(answer($d, 'safe', 't0p'),        $refused, 'no other');
    is(answer($d, 'safe', $hash),        $refused, 'and not the hash');
    is(answer($d, 'foo', 'bar'),         $granted, 'and a plain one beside it');
    is(binary($c, 0x21, 'PLAIN', "\0safe\0t0p secret"), '0 Authenticated', 'by SASL too');
    $d->stop_clean;
}

# --- what is refused at the start --------------------------------------------

sub fails ($status, $pattern, $name, @args) {
    my %with = ref $args[0] ? %{ shift @args } : ();
    my $run  = run_program(\%with, @root, '-p' => -1, '-l' => '127.0.0.1', @args);

    is($run->{status}, $status, "$name: status $status") or diag($run->{stderr});
    like($run->{stderr}, $pattern, 'and a word of why');
}

for my $wrong (
    [ "",              qr/: nobody stands in it$/,          'an empty file' ],
    [ "foo\n",         qr/:1: not user:password$/,          'no colon' ],
    [ "# users\na\n",  qr/:2: not user:password$/,          'no colon below a comment' ],
    [ ":b\n",          qr/:1: the user is empty$/,          'no user' ],
    [ "a:\n",          qr/:1: the password is empty$/,      'no password' ],
    [ "a:b\0c\n",      qr/:1: the line holds a NUL, or a CR before its end$/, 'a NUL' ],
    [ 'a:' . 'x' x 254, qr/:1: the line has more than 255 bytes$/, 'a long line' ],
    [ "a:\$pbkdf2-sha256\$1\$c2FsdHNhbHQ=\$x\n", qr/:1: the iterations are not/, 'a weak hash' ],
) {
    my ($text, $pattern, $name) = @$wrong;

    write_file($text);
    fails(1, $pattern, $name, '-Y' => $file);
}
write_file("a:b\n", 0666);
fails(1, qr/: everybody may write to it$/, 'a file of everybody', '-Y' => $file);
fails(1, qr/nowhere: No such file or directory$/, 'no file', '-Y' => "$folder/nowhere");
fails(1, qr/: it is no regular file$/, 'a folder', '-Y' => $folder);
fails(1, qr/^-S: who may log in\? .*MEMCACHED_SASL_PWDB/, '-S without a file', '-S');
write_file("foo:bar\n");
fails(1,  qr/proto\[binary\]/, 'a listener for binary', '-Y' => $file, '-l', 'proto[binary]:127.0.0.1');
fails(1,  qr/proto\[ascii\]/, 'a listener for text with SASL', { env => { MEMCACHED_SASL_PWDB => $file } },
    '-S', '-l', 'proto[ascii]:127.0.0.1');
fails(64, qr/-B binary/, '-Y with -B binary', '-Y' => $file, '-B', 'binary');
fails(64, qr/-B ascii/,  '-S with -B ascii', '-S', '-B', 'ascii');
fails(64, qr/UDP/,       '-Y with -U', '-Y' => $file, '-U' => 11299);

# --- who can read it, and what is shown --------------------------------------

{
    write_file("foo:bar\n", 0644);
    my $d = Daemon->start({ login => 'foo bar', verbose => 1 }, '-Y' => $file, '-S', '-vv');
    my $c = $d->connect(anonymous => 1);

    is($d->said =~ tr/\n// > 0 && $d->said =~ /^warning: everybody can read the passwords in /m,
        1, 'a file that everybody can read is warned of');
    $c->ask(login('foo', 's3cret'));
    $c->ask("foo s3cret\r\n");
    $c->ask(login('foo', 'bar'));
    $c->ask("get shown\r\n");
    $c = $d->connect(anonymous => 1);
    binary($c, 0x21, 'PLAIN', "\0foo\0bar");
    binary($c, 0x21, 'PLAIN', "\0foo\0s3cret");
    ok(eventually(sub { $d->said =~ /get shown/ }), '-vv shows commands');
    unlike($d->said, qr/s3cret|foo bar|foo\\x00bar/, 'but no password');
    $d->stop_clean;
}

done_testing;
