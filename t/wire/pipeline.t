# Many commands at once: each is answered, in order, whatever it is.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

my $BADFMT = "CLIENT_ERROR bad command line format\r\n";

my $d = Daemon->start;
my $c = $d->connect;

# --- by hand -----------------------------------------------------------------

$c->expect(set(k => 'v')
    . "foo\r\nget k\r\nincr k 1\r\ntouch k 0\r\ndelete k\r\nget k\r\n",
    "STORED\r\nERROR\r\n" . hit(k => 'v')
    . "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
    . "TOUCHED\r\nDELETED\r\nEND\r\n", "errors do not disturb what stands around them");
$c->expect("set k 0 0 1 noreply\r\n1\r\nincr k 1 noreply\r\nincr k 1\r\n"
    . "delete k noreply\r\nget k\r\n", "3\r\nEND\r\n", "nor do silent commands");
$c->expect("get k\r\nset k 0 0 2\r\nab\r\nget k\r\nappend k 0 0 2\r\ncd\r\nget k\r\n",
    "END\r\nSTORED\r\n" . hit(k => 'ab') . "STORED\r\n" . hit(k => 'abcd'),
    "each command sees what those before it did");
$c->expect("set k 0 0 2147483648\r\nget k\r\nset k 0 0 1 noreply\r\nv\r\nget k\r\n",
    $BADFMT . hit(k => 'abcd') . hit(k => 'v'),
        "a line without its data block is one command");
my $large = 'l' x 200_000;
$c->expect("get no\r\n" . set(l => $large) . "get l\r\nget l k\r\n" . set(k => 's')
    . "get k l\r\n",
    "END\r\nSTORED\r\n" . hit(l => $large) . hit(l => $large, k => 'v') . "STORED\r\n"
    . hit(k => 's', l => $large), "large values stand among small ones");

# --- by a model --------------------------------------------------------------

# Thousands of random commands in one write, against a model of what they do. The
# seed is in the name, so that a failure can be had again.
for my $seed (1 .. 4) {
    my ($request, $reply) = random_dialogue($seed, 5000);
    $c->ask("flush_all\r\n");
    $c->expect($request, $reply, "5000 random commands in one write, seed $seed");
}
my ($request, $reply) = random_dialogue(5, 2000);
$c->ask("flush_all\r\n");
$c->send(substr $request, 0, 1 + int rand 50, '') while $request ne '';
$c->hears($reply, "2000 random commands in random pieces");

sub random_dialogue ($seed, $count) {
    my ($request, $reply, %model) = ('', '');
    my @commands = map { no strict 'refs'; \&{"command_$_"} }
        qw(get mget set add replace append delete incr touch error);

    srand $seed;
    for (1 .. $count) {
        my ($line, $answer) = $commands[ rand @commands ]->(\%model, 'key' . int rand 20);
        my $silent = rand() < 0.2
            && $line =~ s/^((?!get|nonsense)\w+ [^\r]+)/$1 noreply/;

        $request .= "$line\r\n";
        $reply   .= $silent ? '' : $answer;
    }
    return ($request, $reply);
}

sub command_get ($model, $key) {
    my @hit = defined $model->{$key} ? ($key => $model->{$key}) : ();
    return ("get $key", hit(@hit));
}

sub command_mget ($model, $key) {
    my @keys = map { 'key' . int rand 20 } 1 .. 1 + rand 30;
    my @hit = map { defined $model->{$_} ? ($_ => $model->{$_}) : () } @keys;
    return ("get @keys", hit(@hit));
}

sub store ($command, $model, $key, $stores) {
    my $value = int rand(10) < 5 ? int rand 1000 : 'v' x rand 3000;

    $model->{$key} = $value if $stores;
    return (sprintf("$command $key 0 0 %d\r\n$value", length $value),
        $stores ? "STORED\r\n" : "NOT_STORED\r\n");
}

sub command_set ($model, $key) {
    return store('set', $model, $key, 1);
}

sub command_add ($model, $key) {
    return store('add', $model, $key, !defined $model->{$key});
}

sub command_replace ($model, $key) {
    return store('replace', $model, $key, defined $model->{$key});
}

sub command_append ($model, $key) {
    return ("append $key 0 0 3\r\nabc", "NOT_STORED\r\n") if !defined $model->{$key};
    $model->{$key} .= 'abc';
    return ("append $key 0 0 3\r\nabc", "STORED\r\n");
}

sub command_delete ($model, $key) {
    return ("delete $key",
        defined delete $model->{$key} ? "DELETED\r\n" : "NOT_FOUND\r\n");
}

sub command_incr ($model, $key) {
    my $value = $model->{$key} // return ("incr $key 7", "NOT_FOUND\r\n");

    return ("incr $key 7",
        "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")
        if $value !~ /\A\d{1,15}\z/;
    $model->{$key} = $value + 7;
    return ("incr $key 7", "$model->{$key}\r\n");
}

sub command_touch ($model, $key) {
    return ("touch $key 0", defined $model->{$key} ? "TOUCHED\r\n" : "NOT_FOUND\r\n");
}

sub command_error ($model, $key) {
    return ("nonsense $key", "ERROR\r\n");
}

# --- without end -------------------------------------------------------------

# One client that never stops asking must not keep the others from being served.
my $greedy = $d->connect;
my $asks   = set(k => 'v') . "get k\r\n" x 200_000;
$greedy->send_blindly($asks);
$c->expect("get no\r\n", "END\r\n",
    "a client that pipelines without end leaves room for others");
$greedy->close;

$d->stop_clean;
done_testing;
