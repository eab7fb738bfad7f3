# -e: a server finds what the one before had, whether that ended by itself or was killed.
# t/system/kills does it under load; t/unit/test_slabs_restore.c looks at the bytes.
use v5.36;
use File::Temp 'tempdir';
use Test::More;
use lib 't/lib';
use Daemon;

my $dir = tempdir(CLEANUP => 1, -w '/dev/shm' ? (DIR => '/dev/shm') : ());
chmod 0777, $dir;
my @root  = $> == 0 ? ('-u' => 'root') : ();
my $files = 0;

sub contents ($file) {
    open my $in, '<:raw', $file or die "$file: $!";
    return join '', <$in>;
}

sub new_file { return "$dir/memory" . $files++ }

# A server with this file; it may say something.
sub start ($file, @args) {
    return Daemon->start({ verbose => 1 }, '-e' => $file, @args);
}

# What a server that does not start with this file says, and its exit status.
sub refusal ($file) {
    my $run = run_program(@root, '-p' => -1, '-l' => '127.0.0.1', '-e' => $file);

    return "$run->{status}: $run->{stdout}$run->{stderr}";
}

# --- what comes back ---------------------------------------------------------

for my $end (qw(TERM INT USR1 KILL shutdown)) {
    my $file = new_file();
    my $d    = start($file, '-A');
    my $c    = $d->connect;
    $c->expect(set(k => 'v') . set(large => 'l' x 500_000) . set(gone => 'g')
            . "delete gone\r\nincr k 1\r\nset n 7 0 1\r\n5\r\nincr n 9\r\n",
        "STORED\r\n" x 3 . "DELETED\r\n"
            . "CLIENT_ERROR cannot increment or decrement non-numeric value\r\nSTORED\r\n14\r\n",
        "$end: a server is filled");
    $c->send("set half 0 0 100000\r\nhalf of it");
    if ($end eq 'shutdown') {
        $d->connect->send("shutdown\r\n");
        ok(eventually(sub { $d->has_ended }), "$end ends it");
    } elsif ($end eq 'KILL') {
        $d->stop('KILL');
    } else {
        $d->stop_clean("$end ends it", $end);
    }

    $d = start($file);
    like($d->said, qr/^\Q$file\E: 3 items restored in \d+\.\d\d s, 0 had ended$/m,
        "$end: the next one tells what it has found");
    $d->connect->expect("get k large gone n half\r\n",
        hit(k => 'v', large => 'l' x 500_000) =~ s/END\r\n\z//r . "VALUE n 7 2\r\n14\r\nEND\r\n",
        "$end: and has it");
    is($d->stat('curr_items'), 3, "$end: it counts as many items");
    is($d->stat('total_items'), 3, "$end: in all of them, too");
    is($d->stats('settings')->{memory_file}, $file, "$end: the setting is shown");
    $d->stop_clean;
}

# --- chains ------------------------------------------------------------------

for my $end (qw(TERM KILL)) {
    my ($file, $value) = (new_file(), join '', map { sprintf '%07d.', $_ } 1 .. 500_000);
    my @large = ('-I' => '8m', '-m' => 128);
    my $d     = start($file, @large);
    $d->connect->expect(set(chain => $value), "STORED\r\n", "$end: 4 MB");
    $d->stop($end);
    $d = start($file, @large);
    $d->connect->expect("get chain\r\n", hit(chain => $value), "$end: come back");
    $d->stop_clean;
}

# --- time --------------------------------------------------------------------

for my $end (qw(TERM KILL)) {
    my $file  = new_file();
    my @clock = ('-o' => 'debug_commands');
    my $d     = start($file, @clock);
    $d->connect->expect("set five 0 5 1\r\nv\r\nset fifty 0 50 1\r\nv\r\nset ever 0 0 1\r\nv\r\n",
        "STORED\r\n" x 3, "$end: times to live");
    $d->advance_clock(3);
    my $uptime = $d->stat('uptime');
    $d->stop($end);
    $d = start($file, @clock);
    cmp_ok($d->stat('uptime'), '>=', $uptime, "$end: the server is as old as its cache");
    my ($c, $left) = ($d->connect);
    $c->expect("get five\r\n", hit(five => 'v'), "$end: what has two seconds left is there");
    ($left) = $c->ask("mg fifty t\r\n") =~ /^HD t(\d+)/;
    cmp_ok($left, '<=', 47, "$end: time has not begun anew");
    cmp_ok($left, '>',  30, "$end: nor run away");
    $d->advance_clock(3);
    $c->expect("get five fifty\r\n", hit(fifty => 'v'), "$end: it ends when it should");
    $d->stop($end);
    $d = start($file, @clock);
    like($d->said, qr/2 items restored/, "$end: and is not restored then");
    $d->stop;
}

# --- flushes -----------------------------------------------------------------

for my $end (qw(TERM KILL)) {
    my $file  = new_file();
    my @clock = ('-o' => 'debug_commands');
    my $d     = start($file, @clock);
    $d->connect->expect(set(old => 'v') . "flush_all\r\n" . set(new => 'v') . "flush_all 10\r\n",
        "STORED\r\nOK\r\nSTORED\r\nOK\r\n", "$end: a flush, and another to come");
    $d->stop($end);
    $d = start($file, @clock);
    $d->connect->expect("get old new\r\n", hit(new => 'v'),
        "$end: the one was, the other is yet to come");
    $d->advance_clock(11);
    $d->connect->expect("get old new\r\n", "END\r\n", "$end: and comes");
    $d->stop($end);
    $d = start($file, @clock);
    is($d->stat('curr_items'), 0, "$end: for good");
    $d->stop;
}

# --- CAS ---------------------------------------------------------------------

{
    my ($file, $before) = (new_file(), 0);
    for my $end (qw(KILL TERM KILL KILL)) {
        my $d = start($file);
        my $c = $d->connect;
        my ($kept) = $c->ask("mg k c\r\n") =~ /^HD c(\d+)/;
        is($kept // 0, $before, "$end: the id is the one it was");
        if ($kept) {
            $c->expect("cas k 0 0 1 $kept\r\nv\r\n", "STORED\r\n", "$end: and can be compared");
        }
        my ($cas) = $c->ask("ms k 1 c\r\nv\r\n") =~ /^HD c(\d+)/;
        cmp_ok($cas, '>', $before, "$end: new ones are higher");
        $before = $cas;
        $d->stop($end);
    }
}

# --- leases ------------------------------------------------------------------

{
    my $file = new_file();
    my $d    = start($file);
    $d->connect->expect("mg promise N30 v\r\nmg promise N30 v\r\n",
        "VA 0 W\r\n\r\nVA 0 Z\r\n\r\n", "a reader has won, the next one waits");
    $d->stop('KILL');
    $d = start($file);
    $d->connect->expect("mg promise N30 v\r\n", "VA 0 W\r\n\r\n",
        "after a restart nobody waits for him");
    $d->stop_clean;
}

# --- two servers -------------------------------------------------------------

{
    my $file = new_file();
    my $d    = start($file);
    $d->connect->expect(set(k => 'v'), "STORED\r\n", "a server has a file");
    is(refusal($file), "1: cannot keep memory in $file: another server uses it\n",
        "no second one can have it");
    $d->connect->expect("get k\r\n", hit(k => 'v'), "and the first one goes on");
    $d->stop_clean;

    $d = start($file, '-d');
    is(refusal($file), "1: cannot keep memory in $file: another server uses it\n",
        "nor while it runs in the background");
    $d->connect->expect("get k\r\n", hit(k => 'v'), "where it is restored, too");
    $d->stop_clean;
}

# --- files that are not taken -------------------------------------------------

sub write_file ($file, $text, $mode = 0600) {
    open my $out, '>', $file or die "$file: $!";
    print $out $text;
    close $out;
    chmod $mode, $file;
    return $file;
}

{
    my $text = "Dear diary, today I learned how to make backups.\n" x 1000;
    my $file = write_file(new_file(), $text);
    is(refusal($file),
        "1: $file is not a memory file of larder; it is left as it is. Remove it, or name"
            . " another one.\n",
        "a file that holds something else is refused");
    is(contents($file), $text, "and left as it is");

    chmod 0644, $file;
    is(refusal($file), "1: cannot keep memory in $file: others may read it or write to it"
            . " (its mode should be 600)\n",
        "so is one that others may read");
    symlink $file, "$dir/link";
    is(refusal("$dir/link"), "1: cannot keep memory in $dir/link: it is a symbolic link\n",
        "a link");
    is(refusal($dir), "1: cannot keep memory in $dir: Is a directory\n", "a directory");
    is(refusal("$dir/no/where"),
        "1: cannot keep memory in $dir/no/where: No such file or directory\n",
        "one in a directory that is not there");
    SKIP: {
        skip 'not root', 1 if $> != 0;
        chmod 0600, $file;
        chown 1, 1, $file;
        is(refusal($file), "1: cannot keep memory in $file: it belongs to another user\n",
            "one of another user");
    }

    $file = write_file(new_file(), '', 0644);
    my $d = start($file);
    $d->connect->expect(set(k => 'v'), "STORED\r\n", "an empty one is taken");
    is((stat $file)[2] & 0777, 0600, "and is nobody else's from then on");
    $d->stop_clean;
}

# --- what cannot be restored --------------------------------------------------

# A file with an item, that of a server that was ended.
sub file_with_item ($end, @args) {
    my $file = new_file();
    my $d    = start($file, @args);
    $d->connect->ask(set(k => 'v'));
    $d->stop($end);
    return $file;
}

sub begins_empty ($file, $why, $name, @args) {
    my $d = start($file, @args);
    like($d->said, qr/^\Q$file cannot be restored, the cache begins empty: $why\E/m,
        "$name: it is said why");
    $d->connect->expect("get k\r\n" . set(k => 'w'), "END\r\nSTORED\r\n",
        "$name: the cache is empty");
    $d->stop('KILL');
    $d = start($file, @args);
    $d->connect->expect("get k\r\n", hit(k => 'w'), "$name: and lasts from now on");
    $d->stop_clean;
}

my $LAYOUT = 'it was made with another -f, -n or slab_chunk_max, or an -m or -I of another order';

my $sanitized;

# The file of a small cache has small pages. A large one that cannot restore it has large ones.
{
    my $file = file_with_item('TERM', '-m' => 16);
    my @args = ('-m' => 2000, '-f' => 1.5);

    begins_empty($file, $LAYOUT, 'other pages', @args);
    my $d = start($file, @args);
    $sanitized = $d->is_sanitized;
    is($d->stats('slabs')->{total_malloced}, 1 << 20, 'pages are those of a large cache');
    $d->stop_clean;
}

# Another size of chunks, whichever option it comes from. A tmpfs may have less room than -m
# says: that is but a warning.
for my $case (
    [ '-f',                          [],                [ '-f' => 2 ] ],
    [ '-n',                          [],                [ '-n' => 96 ] ],
    [ 'slab_chunk_max',              [],                [ '-o' => 'slab_chunk_max=16' ] ],
    [ 'slab_chunk_max, large pages', [ '-m' => 2000 ],
        [ '-m' => 2000, '-o' => 'slab_chunk_max=256' ] ],
    [ 'no_chunked_items',            [ '-m' => 2000 ],
        [ '-m' => 2000, '-o' => 'no_chunked_items' ] ],
    [ '-m beyond 15 GB',             [ '-m' => '15g' ], [ '-m' => '16g' ] ],
    [ '-m below 16 GB',              [ '-m' => '16g' ], [ '-m' => '15g' ] ],
    [ '-m beyond 32 GB',             [ '-m' => '31g' ], [ '-m' => '33g' ] ],
    [ '-m far beyond the first one', [ '-m' => 64 ],    [ '-m' => '12g' ] ],
    [ '-I beyond 2048 chunks',       [ '-m' => 64 ],    [ '-m' => 1000, '-I' => '65m' ] ],
) {
    my ($name, $before, $after) = @$case;
    SKIP: {
        skip 'with a sanitizer chunks are longer, so this border is another', 4
            if $sanitized && $name =~ /1[56] GB/;
        begins_empty(file_with_item('TERM', @$before), $LAYOUT, "another $name", @$after);
    }
}

# What does not change these sizes may be changed.
for my $case (
    [ [ '-m' => 64 ],    [ '-m' => 6000 ] ],
    [ [ '-m' => 2000 ],  [ '-m' => '15g' ] ],
    [ [ '-m' => '16g' ], [ '-m' => '31g' ] ],
    [ [ '-m' => 2000 ],  [ '-m' => 64, '-I' => '32m' ] ],
    [ [ '-m' => 64 ],    [ '-m' => 1000, '-I' => '64m' ] ],
    [ [ '-m' => 2500 ],  [ '-m' => 2500, '-I' => '1g' ] ],
    [ [],                [ '-M', '-C', '-t' => 2, '-o' => 'no_lru_crawler' ] ],
) {
    my ($before, $after) = @$case;
    my $d = start(file_with_item('KILL', @$before), @$after);
    $d->connect->expect("get k\r\n", hit(k => 'v'), "from '@$before' to '@$after': all is there");
    $d->stop_clean;
}

sub overwrite ($file, $at, $bytes) {
    open my $inout, '+<:raw', $file or die "$file: $!";
    seek $inout, $at, 0;
    print $inout $bytes;
    close $inout or die "$file: $!";
}

# slabs/file_priv.h has the head: a magic word and a checksum, the version, the order of bytes.
my %OTHERS = ('version' => [ 24, pack 'L', 999 ], 'order of bytes' => [ 28, "\1\2\3\5" ]);

for my $end (qw(TERM KILL)) {
    for my $left (-1, 1 << 20, (1 << 20) - 1, 4096, 200, 16) {
        my $file = file_with_item($end);
        my $cut  = $left < 0 ? $left + -s $file : $left;
        truncate $file, $cut or die "$file: $!";
        begins_empty($file, 'a part of it is missing', "$end: a file that is cut to $cut bytes");
    }

    my $file = file_with_item($end);
    truncate $file, 15 or die "$file: $!";
    like(refusal($file), qr/^1: \Q$file is not a memory file of larder\E/,
        "$end: one that is cut to less than the word it begins with is not known any more");
    is(-s $file, 15, "$end: and left as it is");

    for my $other (sort keys %OTHERS) {
        $file = file_with_item($end);
        overwrite($file, $OTHERS{$other}->@*);
        begins_empty($file, 'it is of another version of larder, or of another machine',
            "$end: another $other");
    }

    $file = file_with_item($end);
    overwrite($file, 80, 'xxxxxxxx');
    begins_empty($file, 'it is damaged', "$end: a damaged head");

    $file = new_file();
    my $d = start($file, '-o' => 'debug_commands');
    $d->connect->ask(set(k => 'v'));
    $d->advance_clock(180_000_000);
    $d->connect->expect("get k\r\n", hit(k => 'v'), "$end: after 5.7 years an item is there");
    $d->stop($end);
    begins_empty($file, 'its clock has come to its end', "$end: 5.7 years");
}

# As after a restart of the system: the copy is not the file that was written to.
{
    my $file = file_with_item('KILL');
    my $copy = write_file(new_file(), contents($file));
    begins_empty($copy, 'its server did not end by itself', 'a copy after a kill');
    $file = file_with_item('TERM');
    $copy = write_file(new_file(), contents($file));
    my $d = start($copy);
    $d->connect->expect("get k\r\n", hit(k => 'v'), "a copy after a clean end is as good");
    $d->stop_clean;
}

# A wrong byte in a value: a file that was closed tells by its pages, one that was not by items.
for my $how (['TERM', '0 items, and 1 pages as a whole'], ['KILL', '1 items, and 0 pages as a whole']) {
    my ($signal, $dropped) = @$how;
    my $file = file_with_item($signal);
    my $at   = index contents($file), 'kv';
    die "no value in $file" if $at < 0;
    overwrite($file, $at + 1, 'V');
    my $d = start($file);
    like($d->said, qr/: 0 items restored .*; dropped as damaged: $dropped$/m,
        "$signal: a wrong byte is found");
    $d->connect->expect("get k\r\n", "END\r\n", "$signal: and not served");
    $d->stop_clean;
}

# --- another -m ---------------------------------------------------------------

{
    my $file = new_file();
    my $d    = start($file, '-m' => 16);
    my $c    = $d->connect;
    $c->ask(join('', map { set("k$_" => 'v' x 1000) } 1 .. 10000), qr/(?:STORED\r\n){10000}\z/);
    my $all = $d->stat('curr_items');
    $d->stop('KILL');
    for my $megabytes (64, 16, 8) {
        $d = start($file, '-m' => $megabytes);
        my ($items) = $d->said =~ /: (\d+) items restored in [^;]*$/;
        is($items, $all, "-m $megabytes restores everything");
        if ($megabytes < 16) {
            ok(eventually(sub { (stat $file)[12] * 512 <= 10 << 20 }),
                "but gives up what is more than -m $megabytes, in the file as well");
            cmp_ok($d->stat('curr_items'), '<', $all, "with some of the items");
            cmp_ok($d->stat('curr_items'), '>', $all / 2, "and not with the others");
        } else {
            is($d->stat('curr_items'), $items, "-m $megabytes: so many are there");
        }
        is($d->stat('limit_maxbytes'), $megabytes << 20, "-m $megabytes is the limit");
        $d->stop_clean;
    }
}

done_testing;
