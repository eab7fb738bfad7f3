/* t/linear/linear.c - is what concurrent clients are told one history for each key?
 *
 *   value     what is kept of a value            op        an operation and its answer
 *   model     what one item may do               configs   a set of what may be the case
 *   search    is there an order?                 report    shows why there is none
 *   history   operations as text                 judge     histories from a file
 *   wire      a connection                       command   operations as commands
 *   client    random ones, recorded              pressure  eviction, growth, page moves
 *   load      rounds                             mutate    falsifies, to be found out
 *
 * t/linear/run builds it, judges t/linear/histories with it, and starts servers for it.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "t/linear/judge.h"
#include "t/linear/load.h"

static void
usage(FILE *to)
{
    fputs("usage: linear judge FILE                    histories, each with its verdict\n"
          "       linear load -p port [options]         clients of a running server\n"
          "  -l host      address of the server (127.0.0.1)\n"
          "  -n number    operations (200000)\n"
          "  -S seed      (from the clock)\n"
          "  -c clients   at a time, up to 24 (16)\n"
          "  -k keys      (1000)\n"
          "  -w keys      so many of them hot at a time (12)\n"
          "  -f number    one flush_all in so many operations, 0: none (50000)\n"
          "  -b percent   sets of other keys to 100 operations (50)\n"
          "  -M megabytes the server's memory limit, to be lowered and raised (0: not)\n"
          "  -v bytes     of the largest value that is set (400000)\n"
          "  -B bytes     some values are about as long as multiples of it, 0: none (0)\n"
          "  -I bytes     of the largest item that the server takes (1048576)\n"
          "  -F figure    of stats, that must not be 0 in the end; up to eight times\n"
          "  -t seconds   an answer may take so long (60)\n"
          "  -s           strict: nothing may be evicted, memory is large enough\n"
          "  -m           what is answered may hide that memory is short\n"
          "  -e ms        an item may end so long before its TTL is over (0)\n"
          "  -g ms        and so long after (100)\n"
          "  -o           memcached 1.6.18: without what it does not know, with its "
          "counters\n"
          "  -x           falsify the first round too, and find that out\n"
          "The server must have CAS ids (no -C). Exit status: 0 clean, 1 not, 2 usage.\n",
          to);
}

static uint64_t
option_number(const char *text, uint64_t low, uint64_t high)
{
    char    *end;
    uint64_t number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || number < low ||
        number > high) {
        fprintf(stderr, "linear: not a number from %" PRIu64 " to %" PRIu64 ": %s\n", low,
                high, text);
        exit(2);
    }
    return number;
}

static void
option_set(struct options *opt, int letter, const char *value)
{
    switch (letter) {
    case 'l':
        opt->host = value;
        break;
    case 'p':
        opt->port = (unsigned)option_number(value, 1, 65535);
        break;
    case 'n':
        opt->ops = option_number(value, 1, UINT64_MAX / 2);
        break;
    case 'S':
        opt->seed = option_number(value, 0, UINT64_MAX);
        break;
    case 'c':
        opt->clients = (unsigned)option_number(value, 1, 24);
        break;
    case 'k':
        opt->keys = (unsigned)option_number(value, 1, 1000000);
        break;
    case 'w':
        opt->hot = (unsigned)option_number(value, 1, 1000000);
        break;
    case 'f':
        opt->flush_ops = (unsigned)option_number(value, 0, UINT32_MAX);
        break;
    case 'b':
        opt->ballast = (unsigned)option_number(value, 0, 10000);
        break;
    case 'M':
        opt->memory_mb = (unsigned)option_number(value, 0, 1 << 20);
        break;
    case 'v':
        opt->value_max = (uint32_t)option_number(value, 20000, 1 << 30);
        break;
    case 'B':
        opt->border = (uint32_t)option_number(value, 1024, 1 << 30);
        break;
    case 'I':
        opt->model.item_max = (uint32_t)option_number(value, 1024, 1 << 30);
        break;
    case 'F':
        if (opt->nfigures < FIGURES_MAX)
            opt->figures[opt->nfigures++] = value;
        break;
    case 't':
        opt->stall_s = (unsigned)option_number(value, 1, 3600);
        break;
    case 's':
        opt->model.vanishes = false;
        break;
    case 'm':
        opt->model.scarce = true;
        break;
    case 'e':
        opt->model.early_ns = option_number(value, 0, 60000) * 1000000;
        break;
    case 'g':
        opt->model.late_ns = option_number(value, 0, 60000) * 1000000;
        break;
    case 'o':
        opt->old = opt->model.old_counters = true;
        break;
    case 'x':
        opt->mutates = true;
        break;
    default:
        usage(stderr);
        exit(2);
    }
}

static int
load(int argc, char **argv)
{
    struct options opt = {
        .host = "127.0.0.1",
        .clients = 16,
        .keys = 1000,
        .hot = 12,
        .flush_ops = 50000,
        .ballast = 50,
        .stall_s = 60,
        .ops = 200000,
        .seed = (uint64_t)time(NULL),
        .value_max = 400000,
        .model = { .vanishes = true, .late_ns = 100000000, .item_max = 1 << 20 },
    };
    int letter;

    while ((letter = getopt(argc, argv, "l:p:n:S:c:k:w:f:b:M:v:B:I:F:t:e:g:smox")) != -1)
        option_set(&opt, letter, optarg);
    if (optind != argc || opt.port == 0 || opt.hot > opt.keys ||
        opt.border > opt.value_max) {
        usage(stderr);
        return 2;
    }
    return load_run(&opt);
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "judge") == 0)
        return judge_file(argv[2]);
    if (argc >= 2 && strcmp(argv[1], "load") == 0)
        return load(argc - 1, argv + 1);
    usage(stderr);
    return 2;
}
