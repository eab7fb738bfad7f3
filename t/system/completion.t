# What bash and zsh complete on larder's command line: all that -h lists as working.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;
use Daemon::Program 'server_program';
use File::Temp;

plan skip_all => 'memcached brings no completion' if is_reference();

my $folder  = File::Temp->newdir;
my $program = server_program();
my $help    = run_program('-h')->{stdout};

for my $shell (qw(bash zsh)) {
    my $file = $shell eq 'zsh' ? "$folder/_larder" : "$folder/larder";

    is(system("$program -h | tools/completion $shell >$file"), 0, "there is one for $shell");
    is(system($shell, '-n', $file), 0, "that $shell can read") if $shell eq 'bash' || zsh();
}
isnt(system('tools/completion csh </dev/null 2>/dev/null'), 0, "and none for others");

# The options of -h that do something: [ the option, whether it takes a value ].
my ($works) = $help =~ /\A(.*?)^Accepted because/ms or die "another -h than expected\n";
my (@options, @extended);
for my $line ($works =~ /^ (-.*)/mg) {
    my ($left) = $line =~ /^(.*?)(?:  |$)/;
    my $value = $left =~ s/(\[?)[= ]<.*// ? ($1 ? 0 : 1) : 0;

    if ($left =~ /^-o (\[no_\])?(\w+)$/) {
        push @extended, $1 ? "no_$2" : (), "$2" . ($value || $line =~ /^\S+ \S+\[=/ ? '=' : '');
    } else {
        push @options, map { /^--/ && $value ? "$_=" : $_ } split /, /, $left;
    }
}
cmp_ok(scalar @options,  '>', 60, "there are many options");
cmp_ok(scalar @extended, '>', 30, "and many of -o");

# --- bash --------------------------------------------------------------------

# What it proposes, in order, for a line that ends there.
sub proposed ($line) {
    my $script = ". $folder/larder; COMP_LINE=\$1 COMP_POINT=\${#1}; _larder; printf '%s\\n' \"\${COMPREPLY[@]}\"";
    open my $out, '-|', 'bash', '-c', $script, 'bash', $line or die "bash: $!\n";
    chomp(my @lines = readline $out);
    close $out;
    return join ' ', sort grep { $_ ne '' } @lines;
}

is(proposed('larder -'), join(' ', sort @options), "bash: a hyphen can become every option");
is(proposed('larder -o '), join(' ', sort @extended), "bash: -o has its own");
for my $case (
    [ 'larder ',                                   '' ],
    [ 'larder --mem',                              '--memory-file= --memory-limit=' ],
    [ 'larder -m 64 --check',                      '--check-config' ],
    [ 'larder -B ',                                'ascii auto binary' ],
    [ 'larder --protocol=a',                       'ascii auto' ],
    [ 'larder --protocol b',                       'binary' ],
    [ 'larder -m ',                                '' ],
    [ 'larder -o log_format=',                     'json text' ],
    [ 'larder -o log_format=j',                    'json' ],
    [ 'larder -o idle_timeout=5,no_lru_c',         '5,no_lru_crawler' ],
    [ 'larder -o idle_timeout,no_lru_c',           'idle_timeout,no_lru_crawler' ],
    [ 'larder --extended=track_sizes,log_target=', 'auto journald stderr' ],
    [ 'larder -o ssl_ciphers=ssl_k',               '' ],
    [ 'larder -o ext_',                            '' ],
    [ 'larder --nosuch=',                          '' ],
    [ "larder --config=$folder/_l",                "$folder/_larder" ],
    [ "larder -e $folder/_l",                      "$folder/_larder" ],
    [ "larder -o ssl_key=$folder/_l",              "$folder/_larder" ],
    [ 'larder -u nobod',                           'nobody' ],
) {
    my ($line, $wanted) = @$case;
    is(proposed($line), $wanted, "bash: $line");
}

# --- zsh ---------------------------------------------------------------------

sub zsh () {
    return system('zsh -fc true 2>/dev/null') == 0;
}

# A shell with a terminal, in which somebody presses Tab; what he has in his line then, he
# has printed.
my $ZSH = <<'END';
zmodload zsh/zpty
zpty shell 'TERM=dumb zsh -f -i'
zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; stty cols 500; echo REA''DY"
zpty -r -m shell said '*READY*'
for line in ${@:2}; do
    zpty -w -n shell "$line"$'\t'
    zpty -w shell $'\C-aprint -r -- "<\C-e>"'
    zpty -r -m shell said $'*\n<*>*'
    print -r -- ${${said##*$'\n'<}%%>*}
done
END

SKIP: {
    my @cases = (
        [ 'larder --check-c',                     'larder --check-config' ],
        [ 'larder -B as',                         'larder -B ascii' ],
        [ 'larder -o log_format=j',               'larder -o log_format=json' ],
        [ 'larder -o idle_timeout=5,log_tar',     'larder -o idle_timeout=5,log_target=' ],
        [ 'larder --extended=no_lru_c',           'larder --extended=no_lru_crawler' ],
        [ "larder --config=$folder/_l",           "larder --config=$folder/_larder" ],
    );
    skip 'no zsh', 1 + @cases if !zsh();
    open my $out, '-|', 'zsh', '-fc', $ZSH, 'zsh', "$folder", map { $_->[0] } @cases or die "zsh: $!\n";
    chomp(my @lines = readline $out);
    close $out;
    is($?, 0, "zsh completes");
    is($lines[$_], $cases[$_][1], "zsh: $cases[$_][0]") for 0 .. $#cases;
}

done_testing;
