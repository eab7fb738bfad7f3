/* t/unit/test_slabs_shared.c - which memory that threads share does a request write to?
 *
 * A cache line that many processors write to is what keeps a server from using more of them.
 * So all that is shared, the cache itself, its stripes, its table and its items, is made
 * read-only here. A write then ends in a signal handler, which notes the line, lets this one
 * instruction happen, and goes on. What a thread keeps for itself is not looked at.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "slabs/cache_priv.h"
#include "t/unit/fixture.h"

/* The instruction is let happen by the trap flag of x86; sanitizers have handlers and shadows of
 * their own. */
#if defined(__x86_64__) && !LARDER_DEBUG

enum { LINE = 64, LINES_MOST = 64, TRAP_FLAG = 0x100 };

struct region {
    char  *at;
    size_t bytes;
};

static struct region regions[4];
static size_t        page_bytes;
static char         *opened; /* the page that the instruction under way may write to */
static char         *lines[LINES_MOST];
static unsigned      line_count;
static bool          too_many;

static char *
round_down(char *at, size_t to)
{
    return at - (uintptr_t)at % to;
}

static bool
is_shared(const char *at)
{
    for (size_t i = 0; i < LENGTH(regions); i++) {
        if (at >= regions[i].at && at < regions[i].at + regions[i].bytes)
            return true;
    }
    return false;
}

static void
note_line(char *line)
{
    for (unsigned i = 0; i < line_count; i++) {
        if (lines[i] == line)
            return;
    }
    too_many |= line_count == LINES_MOST;
    if (!too_many)
        lines[line_count++] = line;
}

static void
on_write(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    char       *address = info->si_addr;

    if (opened != NULL) { /* not one of ours: let it end the program */
        signal(number, SIG_DFL);
        return;
    }
    if (is_shared(address))
        note_line(round_down(address, LINE));
    opened = round_down(address, page_bytes);
    if (mprotect(opened, page_bytes, PROT_READ | PROT_WRITE) != 0)
        signal(number, SIG_DFL);
    at->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void
on_step(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;

    (void)number, (void)info;
    mprotect(opened, page_bytes, PROT_READ);
    opened = NULL;
    at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void
protect(int how)
{
    for (size_t i = 0; i < LENGTH(regions); i++) {
        char *from = round_down(regions[i].at, page_bytes);
        char *to =
            round_down(regions[i].at + regions[i].bytes - 1, page_bytes) + page_bytes;

        quick_assert(mprotect(from, (size_t)(to - from), how) == 0);
    }
}

static void
begin(struct fixture *f)
{
    struct sigaction write = { .sa_sigaction = on_write, .sa_flags = SA_SIGINFO };
    struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
    struct table    *table;
    struct pages    *pages;

    fixture_init(f);
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    table = &f->cache->table;
    pages = &f->cache->pages;
    regions[0] = (struct region){ (char *)f->cache, sizeof(*f->cache) };
    regions[1] =
        (struct region){ (char *)table->stripes, sizeof(*table->stripes) << STRIPE_BITS };
    regions[2] = (struct region){ (char *)table->buckets,
                                  (sizeof(struct bucket) << STRIPE_BITS) * 4 };
    regions[3] = (struct region){ pages->base, (size_t)pages->page_bytes * 4 };
    ck_assert_int_eq(sigaction(SIGSEGV, &write, NULL), 0);
    ck_assert_int_eq(sigaction(SIGTRAP, &step, NULL), 0);
}

static void
begin_counting(void)
{
    line_count = 0;
    too_many = false;
    protect(PROT_READ);
}

/* How many lines were written to but those of this item and of its stripe; these are told. */
static unsigned
end_counting(struct fixture *f, const char *name, struct item *item, bool *stripe,
             bool *header)
{
    struct cache_key key = key_of(f, name);
    char            *of_stripe = (char *)table_stripe(&f->cache->table, key.hash);
    unsigned         others = 0;

    protect(PROT_READ | PROT_WRITE);
    *stripe = *header = false;
    quick_assert(!too_many);
    for (unsigned i = 0; i < line_count; i++) {
        if (lines[i] == of_stripe)
            *stripe = true;
        else if (item != NULL && lines[i] + LINE > (char *)item &&
                 lines[i] < (char *)item + ITEM_HEADER)
            *header = true;
        else
            others++;
    }
    return others;
}

START_TEST(a_hit_writes_to_its_stripe_alone)
{
    struct fixture f;
    struct item   *item;
    bool           stripe, header;

    begin(&f);
    put(&f, "k", "value", 0);
    item = item_of(&f, "k"); /* it has been read by now */
    begin_counting();
    quick_assert(peek(&f, "k") == CACHE_OK);
    ck_assert_uint_eq(end_counting(&f, "k", item, &stripe, &header), 0);
    ck_assert(stripe && !header);
    advance(&f, 2); /* when it was used is noted once a second */
    begin_counting();
    quick_assert(peek(&f, "k") == CACHE_OK);
    ck_assert_uint_eq(end_counting(&f, "k", item, &stripe, &header), 0);
    ck_assert(stripe && header);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_hit_of_meta_does_no_more)
{
    struct fixture        f;
    struct cache_read_how how = { 0 };
    struct cache_reading  reading;
    struct cache_key      key;
    struct item          *item;
    bool                  stripe, header;

    begin(&f);
    put(&f, "k", "value", 0);
    item = item_of(&f, "k");
    key = key_of(&f, "k");
    begin_counting();
    quick_assert(cache_read_as(f.thread, &key, &how, &reading) == CACHE_OK);
    cache_read_end(f.thread, &reading);
    ck_assert_uint_eq(end_counting(&f, "k", item, &stripe, &header), 0);
    ck_assert(stripe && !header);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_miss_writes_to_its_stripe_alone)
{
    struct fixture f;
    bool           stripe, header;

    begin(&f);
    put(&f, "k", "value", 0);
    begin_counting();
    quick_assert(peek(&f, "nothing") == CACHE_MISS);
    ck_assert_uint_eq(end_counting(&f, "nothing", NULL, &stripe, &header), 0);
    ck_assert(stripe);
    fixture_fini(&f);
}
END_TEST

START_TEST(a_set_over_a_value_writes_to_its_item_as_well)
{
    struct fixture f;
    struct item   *item;
    bool           stripe, header;

    begin(&f);
    put(&f, "k", "value", 0);
    item = item_of(&f, "k");
    begin_counting();
    put(&f, "k", "other", 0);
    ck_assert_uint_eq(end_counting(&f, "k", item, &stripe, &header), 0);
    ck_assert(stripe && header);
    fixture_fini(&f);
}
END_TEST

/* Or the others would prove nothing. */
START_TEST(what_is_shared_by_all_is_seen)
{
    struct fixture f;
    bool           stripe, header;

    begin(&f);
    put(&f, "k", "value", 0);
    begin_counting();
    quick_assert(drop(&f, "k") == CACHE_OK); /* the list of its class */
    ck_assert_uint_ge(end_counting(&f, "k", NULL, &stripe, &header), 2);
    fixture_fini(&f);
}
END_TEST

#endif

int
main(void)
{
    Suite *suite = suite_create("slabs/shared");

#if defined(__x86_64__) && !LARDER_DEBUG
    TCase *writes = fixture_case_of_one(suite, "writes");

    tcase_add_test(writes, a_hit_writes_to_its_stripe_alone);
    tcase_add_test(writes, a_hit_of_meta_does_no_more);
    tcase_add_test(writes, a_miss_writes_to_its_stripe_alone);
    tcase_add_test(writes, a_set_over_a_value_writes_to_its_item_as_well);
    tcase_add_test(writes, what_is_shared_by_all_is_seen);
#endif
    return fixture_run(suite);
}
