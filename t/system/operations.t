# doc/OPERATIONS.md: its list of memcached's options has all of them, none besides, and says
# of each what -h says.
use v5.36;
use Test::More;
use lib 't/lib';
use Daemon;

plan skip_all => 'it is a page of larder' if is_reference();

# What `memcached -h` of 1.6.18 does not tell of but takes, and what 1.6.45 has besides.
my @MORE = map { "-o $_" } qw(slab_reassign slab_automove slab_automove_ratio
    slab_automove_window slab_sizes chunked_items lru_crawler lru_maintainer
    inline_ascii_resp drop_privileges relaxed_privileges resp_obj_mem_limit ext_io_depth
    proxy_config proxy_arg proxy_uring proxy_memprofile);

# no_NAME is NAME, and an option with a letter is called by that.
sub plain ($name) {
    return "-o $1" if $name =~ /^-o (?:\[no_\]|no_)?(\w+)/;
    return $name =~ /^(-\w)/ ? $1 : $name;
}

# Name => what the list says. Options have to be called there as -h calls them.
sub listed ($help) {
    open my $in, '<', 'doc/OPERATIONS.md' or die "$!\n";
    my ($list) = join('', <$in>) =~ /^### Every option of memcached.*?\n\n\|(.*?)\n\n[^|]/ms
        or die "no list\n";
    my %said;
    for my $row ($list =~ /^\| `(-.*?)` \|/mg) {
        fail("$row is listed twice") if $said{ plain($row) };
        fail("-h has no $row")       if $help !~ /^ \Q$row\E(?![\w-])/m;
        ($said{ plain($row) }) = $list =~ /^\| `\Q$row\E` \| (.+) \|$/m or die "$row?\n";
    }
    return \%said;
}

# Name => no effect, refused, or anything else for what works.
sub told ($help) {
    my ($works, $ignored, $refused) =
        $help =~ /\A(.*?)^Accepted because.*?$(.*?)^Left out.*?$(.*?)^Environment:/ms or die "-h?\n";
    my $names = sub ($text) { map { plain($_) } $text =~ /^ (-o \S+?(?=[=\s]|\[=)|--?[\w-]+)/mg };
    return { (map { $_ => 'works' } $names->($works)), (map { $_ => 'no effect' } $names->($ignored)),
        (map { $_ => 'refused' } $names->($refused)) };
}

my $help   = run_program('-h')->{stdout};
my $listed = listed($help);
my $told   = told($help);
my @wrong;
for my $name (sort keys %$listed) {
    my ($verdict) = $listed->{$name} =~ /^(no effect|refused)/;
    push @wrong, "$name: the page says '$listed->{$name}', and -h " . ($told->{$name} // 'nothing')
        if ($verdict // 'works') ne ($told->{$name} // '');
}
is("@wrong", '', "what the page says of each of the " . keys(%$listed) . " options is so");

SKIP: {
    skip 'no memcached to ask', 1 if !-x '/usr/bin/memcached';
    $help = `/usr/bin/memcached -h`;
    my %there = map { $_ => 1 } @MORE, $help =~ /^(-\w)[, ]/mg,
        map { plain("-o $_") } $help =~ /^   - ([a-z_]+):/mg;
    is(join(' ', sort keys %$listed), join(' ', sort keys %there),
        "the page has all options of memcached, and no others");
}

done_testing;
