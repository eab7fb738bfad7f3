/* slabs/file.c - the head of a memory file: is it ours, is it whole? See file_priv.h. */
#define XXH_INLINE_ALL
#include "slabs/file_priv.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "slabs/must.h"
#include "slabs/pages_priv.h"
#include "slabs/poison_priv.h"

static const char MAGIC[16] = "larder cache\r\n\x1a";

enum {
    HEAD_UNIT = 1 << 20, /* the head's length is a multiple of it                   */
    SYNCED_BYTES = 4096, /* of the head, up to its states                            */
    CLASS_BITS = 8,      /* of a page word, and as many for its complement           */
    WORD_SUM_SHIFT = 16, /* the rest of it                                           */
};

/* After so long the clock begins anew: its ticks last twice that. */
#define NOW_MAX (UINT32_MAX / 2)

_Static_assert((int)FILE_NO_CLASS > (int)CLASS_MAX, "no class has that number");
_Static_assert(offsetof(struct file_head, words) <= SYNCED_BYTES,
               "the states are synced");

uint64_t
file_sum(const void *bytes, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, length, seed);
}

/* ---- the parts of the head ------------------------------------------------------- */

static uint64_t
constants_sum(const struct file_head *head)
{
    const char *from = (const char *)&head->layout;

    return file_sum(from, (size_t)((const char *)head->states - from), FILE_VERSION);
}

static uint64_t
state_sum(const struct file_state *state)
{
    struct file_state without = *state;

    without.sum = 0;
    return file_sum(&without, sizeof(without), FILE_VERSION);
}

static void
write_one_state(struct file *file)
{
    struct file_state *state = &file->state;

    state->sequence++;
    state->sum = state_sum(state);
    file->head->states[state->sequence & 1] = *state;
    atomic_signal_fence(memory_order_seq_cst);
}

/* One after the other, so whenever we are killed one is whole, and both, so damage to one does
 * not bring an older state back. */
void
file_write_state(struct file *file)
{
    write_one_state(file);
    write_one_state(file);
}

void
file_sync(const struct file *file)
{
    (void)msync(file->head, SYNCED_BYTES, MS_SYNC); /* what can be done has been done */
}

/* The later one of those that are whole. */
static bool
read_state(const struct file_head *head, struct file_state *state)
{
    bool found = false;

    *state = (struct file_state){ 0 };
    for (size_t i = 0; i < 2; i++) {
        struct file_state at = head->states[i];

        if (at.sum != state_sum(&at) || at.sequence < state->sequence)
            continue;
        *state = at;
        found = true;
    }
    return found;
}

static uint64_t
word_of(unsigned size_class)
{
    return size_class | (uint64_t)(uint8_t)~size_class << CLASS_BITS;
}

/* The class that a word names, or FILE_NO_CLASS; 0 if it cannot be one. */
static unsigned
word_class(uint64_t word)
{
    unsigned size_class = (uint8_t)word;

    return (uint16_t)word == (uint16_t)word_of(size_class) ? size_class : 0;
}

/* How many words are in use. */
static uint64_t
words_used(const struct file_head *head, uint64_t entries)
{
    uint64_t used = 0;

    while (used < entries && head->words[used] != 0)
        used++;
    return used;
}

static uint64_t
words_sum(const struct file_head *head, uint64_t used)
{
    return file_sum(head->words, used * sizeof(head->words[0]), used);
}

static uint64_t
page_sum(const struct file_head *head, const void *bytes, uint32_t page)
{
    return file_sum(bytes, head->layout.page_bytes, page) >> WORD_SUM_SHIFT;
}

static uint64_t
entries_in(size_t head_bytes)
{
    return (head_bytes - offsetof(struct file_head, words)) / sizeof(uint64_t);
}

/* A head for so many pages; whole pages, so that there is room to grow. */
static size_t
head_bytes_for(uint32_t pages)
{
    size_t bytes = offsetof(struct file_head, words) + (size_t)pages * sizeof(uint64_t);

    return (bytes + HEAD_UNIT - 1) / HEAD_UNIT * HEAD_UNIT;
}

/* ---- opening --------------------------------------------------------------------- */

static bool
map_head(struct file *file, size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);

    if (at == MAP_FAILED)
        return false;
    file->head = at;
    file->head_bytes = bytes;
    return true;
}

static void
unmap_head(struct file *file)
{
    if (file->head != NULL)
        munmap(file->head, file->head_bytes);
    file->head = NULL;
}

void
file_close(struct file *file)
{
    unmap_head(file);
}

uint32_t
file_capacity(const struct file *file)
{
    uint64_t entries = entries_in(file->head_bytes);

    return entries < UINT32_MAX ? (uint32_t)entries + 1 : UINT32_MAX;
}

static bool
is_zero(const void *bytes, size_t length)
{
    const char *at = bytes;

    return at[0] == 0 && memcmp(at, at + 1, length - 1) == 0;
}

/* Is this file ours? One that was begun when we were killed is as good as empty: it has
 * the size of a head, and nothing but zeros. One that was cut within its head is known by
 * how it begins. */
static enum cache_file_found
judge_owner(struct file *file, size_t bytes)
{
    enum cache_file_found found = CACHE_FILE_FOREIGN;
    size_t                looked_at = bytes < HEAD_UNIT ? bytes : HEAD_UNIT;

    if (bytes == 0)
        return CACHE_FILE_NEW;
    if (bytes < sizeof(MAGIC))
        return CACHE_FILE_FOREIGN;
    if (!map_head(file, looked_at))
        return CACHE_FILE_NO_SPACE;
    if (memcmp(file->head->magic, MAGIC, sizeof(MAGIC)) == 0)
        found = bytes < sizeof(struct file_head) ? CACHE_FILE_SHORT : CACHE_FILE_WARM;
    else if (bytes == HEAD_UNIT && is_zero(file->head, HEAD_UNIT))
        found = CACHE_FILE_NEW;
    return found;
}

/* Can its pages be read, and where do they begin? The head is mapped as a whole then. */
static enum cache_file_found
judge_layout(struct file *file, size_t bytes, const struct file_wish *wish)
{
    const struct file_head   *head = file->head;
    const struct file_layout *is = &head->layout, *wanted = &wish->layout;
    size_t                    head_bytes = head->head_bytes;

    if (memcmp(is, wanted, offsetof(struct file_layout, unit_shift)) != 0)
        return CACHE_FILE_OLD;
    if (head->sum != constants_sum(head) || head_bytes % HEAD_UNIT != 0 ||
        head_bytes == 0)
        return CACHE_FILE_BROKEN;
    if (memcmp(is, wanted, sizeof(*is)) != 0 ||
        entries_in(head_bytes) < (uint64_t)wish->limit + wish->granted)
        return CACHE_FILE_LAYOUT;
    if (head_bytes > bytes)
        return CACHE_FILE_SHORT;
    unmap_head(file);
    return map_head(file, head_bytes) ? CACHE_FILE_WARM : CACHE_FILE_NO_SPACE;
}

/* What happened to it since it was written? */
static enum cache_file_found
judge_state(const struct file *file, const struct cache_file *from,
            const struct file_wish *wish)
{
    const struct file_head *head = file->head;
    struct file_state       state;
    uint64_t                used = words_used(head, entries_in(file->head_bytes));

    if (!read_state(head, &state))
        return CACHE_FILE_BROKEN;
    for (uint64_t i = used; i < entries_in(file->head_bytes); i++) {
        if (head->words[i] != 0)
            return CACHE_FILE_BROKEN;
    }
    if (state.sealed && words_sum(head, used) != head->words_sum)
        return CACHE_FILE_BROKEN;
    for (uint64_t i = 0; i < used; i++) {
        unsigned size_class = word_class(head->words[i]);

        if (size_class == 0 ||
            (size_class > wish->classes && size_class != FILE_NO_CLASS))
            return CACHE_FILE_BROKEN;
    }
    if (from->bytes < file->head_bytes + used * head->layout.page_bytes)
        return CACHE_FILE_SHORT;
    if (!state.sealed &&
        (from->identity[0] == '\0' ||
         memcmp(head->identity, from->identity, sizeof(head->identity)) != 0))
        return CACHE_FILE_TORN;
    if (state.now > NOW_MAX || state.era > UINT32_MAX / 2)
        return CACHE_FILE_AGED;
    return CACHE_FILE_WARM;
}

static enum cache_file_found
judge(struct file *file, const struct cache_file *from, const struct file_wish *wish)
{
    enum cache_file_found found = judge_owner(file, from->bytes);

    if (found == CACHE_FILE_WARM)
        found = judge_layout(file, from->bytes, wish);
    if (found == CACHE_FILE_WARM)
        found = judge_state(file, from, wish);
    return found;
}

/* Without holes, so that no write to it can fail later: that would be a SIGBUS. */
static bool
reserve(const struct file *file, size_t at, size_t bytes)
{
    return fallocate(file->fd, 0, (off_t)at, (off_t)bytes) == 0;
}

static void
write_constants(struct file *file, const struct cache_file *from)
{
    memcpy(file->head->identity, from->identity, sizeof(file->head->identity));
    file->head->sum = constants_sum(file->head);
}

/* An empty cache in place of whatever is in the file. */
static bool
begin_anew(struct file *file, const struct cache_file *from, const struct file_wish *wish)
{
    size_t            bytes = head_bytes_for(wish->pages);
    struct file_head *head;

    unmap_head(file);
    if (ftruncate(file->fd, 0) != 0 || !reserve(file, 0, bytes) || !map_head(file, bytes))
        return false;
    head = file->head;
    memcpy(head->magic, MAGIC, sizeof(MAGIC)); /* first: now it is ours */
    atomic_signal_fence(memory_order_seq_cst);
    head->layout = wish->layout;
    head->head_bytes = bytes;
    head->hash_seed = wish->seed;
    head->origin_s = wish->origin_s;
    write_constants(file, from);
    file->kept_pages = 0;
    file->was_sealed = false;
    file->state = (struct file_state){ .now = wish->now, .limit = wish->limit };
    return true;
}

/* Go on with what the file holds. */
static bool
go_on(struct file *file, const struct cache_file *from, const struct file_wish *wish)
{
    struct file_head *head = file->head;
    uint64_t          used = words_used(head, entries_in(file->head_bytes));
    uint64_t          most = wish->pages - 1;
    size_t            bytes;

    if (!read_state(head, &file->state))
        return false;
    file->was_sealed = file->state.sealed;
    file->kept_pages = (uint32_t)(used < most ? used : most);
    /* From here on it is a cache in use, whatever else is changed. */
    if (memcmp(head->identity, from->identity, sizeof(head->identity)) != 0)
        write_constants(file, from);
    file->state.sealed = 0;
    file->state.limit = wish->limit;
    file_write_state(file);
    /* What is behind must be zero when it becomes a page again; from the end, for a word
     * behind a zero is taken for damage if we are killed now. */
    for (uint64_t i = entries_in(file->head_bytes); i-- > file->kept_pages;) {
        if (head->words[i] != 0)
            head->words[i] = 0;
    }
    bytes = file->head_bytes + (size_t)file->kept_pages * head->layout.page_bytes;
    return ftruncate(file->fd, (off_t)bytes) == 0 && reserve(file, 0, bytes);
}

bool
file_open(struct file *file, struct cache_file *from, const struct file_wish *wish)
{
    bool usable = false;

    *file = (struct file){ .fd = from->fd,
                           .progress = from->progress,
                           .progress_arg = from->progress_arg };
    from->found = judge(file, from, wish);
    if (from->only_warm && from->found != CACHE_FILE_WARM) {
        unmap_head(file);
        return false;
    }
    switch (from->found) {
    case CACHE_FILE_WARM:
        usable = go_on(file, from, wish);
        break;
    case CACHE_FILE_FOREIGN:
    case CACHE_FILE_NO_SPACE:
        unmap_head(file);
        return false;
    case CACHE_FILE_NEW:
    case CACHE_FILE_OLD:
    case CACHE_FILE_LAYOUT:
    case CACHE_FILE_BROKEN:
    case CACHE_FILE_SHORT:
    case CACHE_FILE_TORN:
    case CACHE_FILE_AGED:
        usable = begin_anew(file, from, wish);
        break;
    }
    if (!usable) {
        from->found = CACHE_FILE_NO_SPACE;
        unmap_head(file);
        return false;
    }
    from->origin_s = file->head->origin_s;
    from->now = file->state.now;
    return true;
}

uint32_t
cache_file_page_bytes(const struct cache_file *from)
{
    struct file file = { .fd = from->fd };
    uint32_t    bytes = 0;

    if (judge_owner(&file, from->bytes) == CACHE_FILE_WARM)
        bytes = file.head->layout.page_bytes;
    unmap_head(&file);
    if (bytes < CACHE_PAGE_LEAST || bytes > CACHE_PAGE_MOST || (bytes & (bytes - 1)) != 0)
        return 0;
    return bytes;
}

/* ---- pages ----------------------------------------------------------------------- */

unsigned
file_page_class(const struct file *file, uint32_t page)
{
    unsigned size_class = word_class(file->head->words[page - 1]);

    return size_class != FILE_NO_CLASS ? size_class : 0;
}

void
file_tell_progress(const struct file *file, uint32_t pages, uint32_t all)
{
    if (file->progress != NULL)
        file->progress(file->progress_arg, pages, all);
}

bool
file_page_is_whole(const struct file *file, uint32_t page, const void *bytes)
{
    return !file->was_sealed || file->head->words[page - 1] >> WORD_SUM_SHIFT ==
                                    page_sum(file->head, bytes, page);
}

bool
file_reserve_page(struct file *file, uint32_t page)
{
    size_t bytes = file->head->layout.page_bytes;

    return reserve(file, file->head_bytes + (page - 1) * bytes, bytes);
}

void
file_set_page(struct file *file, uint32_t page, unsigned size_class)
{
    file->head->words[page - 1] = word_of(size_class != 0 ? size_class : FILE_NO_CLASS);
    atomic_signal_fence(memory_order_seq_cst);
}

void
file_seal(struct file *file, const char *base, uint32_t used)
{
    struct file_head *head = file->head;
    size_t            bytes = head->layout.page_bytes;

    poison_lift(base, used * bytes);
    for (uint32_t page = 1; page < used; page++) {
        file_tell_progress(file, page - 1, used - 1);
        head->words[page - 1] = (uint16_t)head->words[page - 1] |
                                page_sum(head, base + (size_t)page * bytes, page)
                                    << WORD_SUM_SHIFT;
    }
    head->words_sum = words_sum(head, used - 1);
    file->state.sealed = 1;
    atomic_signal_fence(memory_order_seq_cst);
    file_write_state(file);
}
