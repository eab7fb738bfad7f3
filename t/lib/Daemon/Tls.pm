# Daemon::Tls - certificates made for one run of a test, and sockets that speak TLS.
#
# An authority signs a server and a client; a stranger has signed his own. All are on
# elliptic curves, so making them takes no time.
package Daemon::Tls;

use v5.36;
use Carp 'croak';
use Exporter 'import';
use File::Temp ();

our @EXPORT_OK = qw(certificates certify certify_dated secured tls_arguments);

my $folder;                     # of this run: NAME.pem and NAME.key

# The folder, with all of them in it.
sub certificates () {
    return "$folder" if $folder;
    $folder = File::Temp->newdir;
    certify('ca', 'ca');
    certify('server', 'ca');
    certify('client', 'ca');
    certify('stranger', 'stranger');
    return "$folder";
}

# Make a key and a certificate for a name; whoever signs it may be the name itself.
sub certify ($name, $signer) {
    my $path = certificates() . "/$name";
    my @new  = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
        '-keyout' => "$path.key", '-subj' => "/CN=$name", '-days' => 30);

    if ($signer eq $name) {
        run_openssl('req', '-x509', @new, '-out' => "$path.pem");
        return;
    }
    my $ca = certificates() . "/$signer";
    run_openssl('req', @new, '-out' => "$path.csr");
    run_openssl('x509', '-req', '-in' => "$path.csr", '-CA' => "$ca.pem",
        '-CAkey' => "$ca.key", '-set_serial' => 1 + int rand 1 << 30, '-days' => 30,
        '-out' => "$path.pem");
}

# Replace the certificate of a name by one that nobody has signed, for its key, from and to so
# many seconds from now.
sub certify_dated ($name, $from, $to) {
    require IO::Socket::SSL::Utils;
    my $path = certificates() . "/$name";
    my $key  = IO::Socket::SSL::Utils::PEM_file2key("$path.key");
    my ($certificate) = IO::Socket::SSL::Utils::CERT_create(key => $key, CA => 1,
        subject => { commonName => $name }, not_before => time + $from, not_after => time + $to);

    IO::Socket::SSL::Utils::PEM_cert2file($certificate, "$path.pem");
    IO::Socket::SSL::Utils::CERT_free($certificate);
    IO::Socket::SSL::Utils::KEY_free($key);
}

sub run_openssl (@arguments) {
    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        open STDERR, '>', '/dev/null';
        exec 'openssl', @arguments or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    croak "openssl @arguments has failed" if $? != 0;
}

# What a server is started with, to have a certificate; `more` are options of -o.
sub tls_arguments (@more) {
    my $at = certificates();

    return ('-Z', '-o' => join ',', "ssl_chain_cert=$at/server.pem,ssl_key=$at/server.key",
        "ssl_ca_cert=$at/ca.pem", @more);
}

# The same connection, with TLS. The server has to be ours.
sub secured ($socket, %with) {
    require IO::Socket::SSL;
    $SIG{PIPE} = 'IGNORE';      # it also writes when it closes
    return IO::Socket::SSL->start_SSL($socket, SSL_verifycn_scheme => 'none',
        SSL_ca_file => certificates() . '/ca.pem', %with)
        // croak "no TLS: $IO::Socket::SSL::SSL_ERROR";
}

1;
