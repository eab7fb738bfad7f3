# What a connection takes that is through with its handshake and idle, with none of the buffers left
# that whole records went through: doc/OPERATIONS.md has the figure, for conn_mem_limit does not
# count it.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Tls qw(certificates tls_arguments);

plan skip_all => 'memcached keeps other buffers' if is_reference();

my $KIB     = 1 << 10;
my $FIRST   = 100;                      # what is taken once is taken then
my $CLIENTS = 400;
# KiB, all in all, as OPERATIONS.md has them.
my ($MOST, $MOST_WITH_CERTIFICATE) = (15, 24);

need_open_files(2 * ($FIRST + $CLIENTS));

my $at = certificates();
for my $case (
    [ 'TLS 1.2', $MOST, { SSL_version => 'TLSv1_2' } ],
    [ 'TLS 1.3', $MOST, { SSL_version => 'TLSv1_3' } ],
    [ 'TLS 1.3 with sessions', $MOST, { SSL_version => 'TLSv1_3' }, 'ssl_session_cache' ],
    [ 'TLS 1.3 with certificates of clients', $MOST_WITH_CERTIFICATE, { SSL_version => 'TLSv1_3',
        SSL_cert_file => "$at/client.pem", SSL_key_file => "$at/client.key" },
        'ssl_verify_mode=2' ],
) {
    my ($name, $most, $tls, @more) = @$case;
    my $d = Daemon->start({ tls => $tls }, tls_arguments(@more), '-t' => 2);
  SKIP: {
        skip 'a sanitizer needs memory of its own', 4 if $d->is_sanitized;
        my $value  = 'v' x 20_000;          # more than a record holds
        my $wrong  = 0;
        my $served = sub {
            my $c = $d->connect;
            for (1 .. 2) {
                $wrong++ if $c->ask(set(k => $value)) ne "STORED\r\n";
                $wrong++ if $c->ask("get k\r\n", qr/END\r\n\z/) ne hit(k => $value);
            }
            return $c;
        };
        my @clients = map { $served->() } 1 .. $FIRST;
        my $before  = $d->resident;
        push @clients, map { $served->() } 1 .. $CLIENTS;
        is($wrong, 0, "$name: @{[ scalar @clients ]} clients have sent and received whole records");
        my $each = ($d->resident - $before) / $CLIENTS;
        note(sprintf '%s: %.1f KiB each', $name, $each / $KIB);
        cmp_ok($each, '<=', $most * $KIB, "an idle connection takes no more than is said");
        is($d->stat('conn_mem_bytes'), 0, 'which conn_mem_limit does not count');
        is($d->stat('conn_mem_kicks'), 0, 'so nobody has to go for it');
    }
    $d->stop_clean;
}
done_testing;
