/* slabs/table.c - the striped hash table. Layout and growth: table_priv.h.
 *
 * The invariant a newcomer would break: writers store tags and handles with relaxed
 * atomic stores although they hold the stripe's lock, because prefetches read them
 * without it.
 */
#define XXH_INLINE_ALL
#include "slabs/table_priv.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <xxhash.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "slabs/must.h"

enum {
    ITEMS_A_BUCKET = 7,    /* a stripe splits a bucket when it has more on average */
    SMALL_BYTES = 2 << 20, /* of a table: a huge page would be more than what it needs */
    POPULATE_BYTES = 2 << 20, /* at once */
};

_Static_assert((int)STRIPE_BITS <= (int)STRIPE_BITS_MAX, "a CAS id has room for it");

/* Address space, for huge pages but at the beginning. */
static void *
reserve(size_t bytes, size_t small)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    if (bytes > small) /* advice: nothing depends on it */
        madvise((char *)memory + small, bytes - small, MADV_HUGEPAGE);
    return memory;
}

static size_t
main_bytes(const struct table *table)
{
    return ((size_t)table->buckets_max << STRIPE_BITS) * sizeof(struct bucket);
}

static size_t
overflow_bytes(const struct table *table)
{
    return (size_t)table->overflow_max * sizeof(struct bucket);
}

bool
table_init(struct table *table, size_t items_max, uint64_t seed)
{
    *table = (struct table){
        .seed = seed,
        .rows = 1,
        .populated = SMALL_BYTES,
    };
    size_t stripes = (size_t)1 << STRIPE_BITS, overflow;

    /* Hashes spread evenly; half as much again covers the stripes above the mean. */
    table->buckets_max =
        (uint32_t)(items_max / ITEMS_A_BUCKET * 3 / 2 / stripes) + BUCKET_SLOTS;
    overflow = items_max / BUCKET_SLOTS + stripes;
    table->overflow_max = overflow < UINT32_MAX ? (uint32_t)overflow : UINT32_MAX - 1;
    table->stripes = aligned_alloc(64, stripes * sizeof(*table->stripes));
    table->sizes = malloc(stripes * sizeof(*table->sizes));
    table->buckets = reserve(main_bytes(table), SMALL_BYTES);
    table->overflow = reserve(overflow_bytes(table), overflow_bytes(table));
    if (table->stripes == NULL || table->sizes == NULL || table->buckets == NULL ||
        table->overflow == NULL) {
        table_fini(table);
        return false;
    }
    for (size_t i = 0; i < stripes; i++) {
        table->stripes[i] = (struct stripe){ 0 };
        atomic_init(&table->sizes[i], 1);
        lock_init(&table->stripes[i].lock, RANK_STRIPE);
    }
    return true;
}

void
table_fini(struct table *table)
{
    if (table->buckets != NULL)
        munmap(table->buckets, main_bytes(table));
    if (table->overflow != NULL)
        munmap(table->overflow, overflow_bytes(table));
    free(table->sizes);
    free(table->stripes);
}

void
table_expect(struct table *table, size_t items)
{
    size_t buckets = (items >> STRIPE_BITS) / ITEMS_A_BUCKET + 1;

    if (buckets > table->buckets_max)
        buckets = table->buckets_max;
    atomic_store(&table->rows, (uint32_t)buckets);
    for (size_t i = 0; i < (size_t)1 << STRIPE_BITS; i++)
        atomic_store_explicit(&table->sizes[i], (uint32_t)buckets, memory_order_relaxed);
}

bool
table_populate(struct table *table, uint32_t rows)
{
    size_t row_bytes = sizeof(struct bucket) << STRIPE_BITS;
    size_t wanted = (size_t)rows * row_bytes, all = main_bytes(table), bytes;

    if (wanted > all)
        wanted = all;
    if (table->populated >= wanted)
        return false;
    bytes = all - table->populated;
    if (bytes > POPULATE_BYTES)
        bytes = POPULATE_BYTES;
    /* Linux before 5.14 does not know how, and then stores wait for their memory. */
    (void)madvise((char *)table->buckets + table->populated, bytes, MADV_POPULATE_WRITE);
    table->populated += bytes;
    return true;
}

uint64_t
table_hash(const struct table *table, struct span key)
{
    return XXH3_64bits_withSeed(key.at, key.length, table->seed);
}

/* 1..255, so that the tag of a free slot matches no key. */
static uint8_t
tag_of(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> 56);

    return tag != 0 ? tag : 1;
}

static uint32_t
power_below(uint32_t n)
{
    return 1u << (31 - __builtin_clz(n));
}

/* Linear hashing: with n buckets, those that the current round has split already are
 * addressed with one bit more. */
static struct bucket *
bucket_of(const struct table *table, uint64_t hash, uint32_t buckets)
{
    size_t   lane = table_lane(hash);
    uint32_t bits = (uint32_t)(hash >> STRIPE_BITS_MAX);
    uint32_t power = power_below(buckets);
    uint32_t at = bits & (2 * power - 1);

    if (at >= buckets)
        at -= power;
    return &table->buckets[((size_t)at << STRIPE_BITS) | lane];
}

static struct bucket *
home_bucket(const struct table *table, uint64_t hash)
{
    lock_must_be_held(&table_stripe(table, hash)->lock);
    return bucket_of(table, hash, table_size(table, table_lane(hash)));
}

static struct bucket *
next_bucket(const struct table *table, const struct bucket *bucket)
{
    return bucket->next != 0 ? &table->overflow[bucket->next - 1] : NULL;
}

/* A bit for each slot whose tag is this one. */
static unsigned
match_tag(uint64_t tags_low, uint32_t tags_high, uint8_t tag)
{
#ifdef __SSE2__
    __m128i tags = _mm_set_epi64x((int64_t)tags_high, (int64_t)tags_low);
    __m128i same = _mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag));

    return (unsigned)_mm_movemask_epi8(same) & ((1u << BUCKET_SLOTS) - 1);
#else
    unsigned bits = 0;

    for (unsigned i = 0; i < 8; i++)
        bits |= (unsigned)((uint8_t)(tags_low >> (8 * i)) == tag) << i;
    for (unsigned i = 0; i < 4; i++)
        bits |= (unsigned)((uint8_t)(tags_high >> (8 * i)) == tag) << (8 + i);
    return bits;
#endif
}

static unsigned
matches(const struct bucket *bucket, uint8_t tag)
{
    return match_tag(__atomic_load_n(&bucket->tags_low, __ATOMIC_RELAXED),
                     __atomic_load_n(&bucket->tags_high, __ATOMIC_RELAXED), tag);
}

/* A bit for each slot that is not free. */
static unsigned
used_slots(const struct bucket *bucket)
{
    return ~matches(bucket, 0) & ((1u << BUCKET_SLOTS) - 1);
}

static void
slot_set(struct bucket *bucket, unsigned at, uint8_t tag, handle_t handle)
{
    if (at < 8) {
        unsigned shift = 8 * at;
        uint64_t tags = bucket->tags_low & ~((uint64_t)0xff << shift);

        __atomic_store_n(&bucket->tags_low, tags | (uint64_t)tag << shift,
                         __ATOMIC_RELAXED);
    } else {
        unsigned shift = 8 * (at - 8);
        uint32_t tags = bucket->tags_high & ~((uint32_t)0xff << shift);

        __atomic_store_n(&bucket->tags_high, tags | (uint32_t)tag << shift,
                         __ATOMIC_RELAXED);
    }
    __atomic_store_n(&bucket->slot[at], handle, __ATOMIC_RELAXED);
}

struct item *
table_find(const struct table *table, const struct pages *pages, uint64_t hash,
           struct span key)
{
    struct bucket *bucket = home_bucket(table, hash);
    uint8_t        tag = tag_of(hash);

    for (; bucket != NULL; bucket = next_bucket(table, bucket)) {
        for (unsigned bits = matches(bucket, tag); bits != 0; bits &= bits - 1) {
            handle_t     handle = bucket->slot[__builtin_ctz(bits)];
            struct item *item = pages_item(pages, handle);

            if (span_equal(item_key(item), key))
                return item;
        }
    }
    return NULL;
}

/* Where a chunk is linked. */
struct place {
    struct bucket *bucket; /* NULL: nowhere */
    struct bucket *before; /* the bucket that leads to it, NULL for the home bucket */
    unsigned       at;
};

static struct place
find_handle(const struct table *table, uint64_t hash, handle_t handle)
{
    struct place place = { home_bucket(table, hash), NULL, 0 };

    while (place.bucket != NULL) {
        for (unsigned bits = matches(place.bucket, tag_of(hash)); bits != 0;
             bits &= bits - 1) {
            place.at = (unsigned)__builtin_ctz(bits);
            if (place.bucket->slot[place.at] == handle)
                return place;
        }
        place.before = place.bucket;
        place.bucket = next_bucket(table, place.bucket);
    }
    return place;
}

bool
table_has(const struct table *table, uint64_t hash, handle_t handle)
{
    return find_handle(table, hash, handle).bucket != NULL;
}

/* An empty overflow bucket's number plus one; 0 when none is left. */
static uint32_t
overflow_take(struct table *table, struct stripe *stripe)
{
    uint32_t number = stripe->free_overflow;

    if (number != 0) {
        stripe->free_overflow = table->overflow[number - 1].next;
        table->overflow[number - 1].next = 0;
        return number;
    }
    number = atomic_load(&table->overflow_used);
    do {
        if (number == table->overflow_max)
            return 0;
    } while (!atomic_compare_exchange_weak(&table->overflow_used, &number, number + 1));
    return number + 1;
}

static void
overflow_give(struct table *table, struct stripe *stripe, struct bucket *bucket)
{
    bucket->next = stripe->free_overflow;
    stripe->free_overflow = (uint32_t)(bucket - table->overflow) + 1;
}

/* Of the hash in a ghost; the rest is the note. */
static uint32_t
ghost_of(uint64_t hash)
{
    return (uint32_t)(hash >> STRIPE_BITS_MAX) << NOTE_BITS;
}

static unsigned
note_in(uint32_t ghost, uint64_t hash)
{
    uint32_t note = ghost ^ ghost_of(hash);

    return note >> NOTE_BITS == 0 ? note : 0;
}

/* The free slot with a ghost of this hash, else one without, else any. */
static unsigned
choose_slot(const struct bucket *bucket, unsigned free_slots, uint64_t hash)
{
    unsigned count = (unsigned)__builtin_popcount(free_slots);
    unsigned skip = (unsigned)(hash >> 48) % count, chosen = 0, blank = BUCKET_SLOTS;

    for (unsigned i = 0; i < count; i++, free_slots &= free_slots - 1) {
        unsigned at = (unsigned)__builtin_ctz(free_slots);

        if (note_in(bucket->slot[at], hash) != 0)
            return at;
        if (bucket->slot[at] == 0)
            blank = at;
        if (i == skip)
            chosen = at;
    }
    return blank < BUCKET_SLOTS ? blank : chosen;
}

static bool
chain_insert(struct table *table, struct stripe *stripe, struct bucket *bucket,
             uint64_t hash, handle_t handle, unsigned *note)
{
    for (;;) {
        unsigned free_slots = matches(bucket, 0);

        if (free_slots != 0) {
            unsigned at = choose_slot(bucket, free_slots, hash);

            *note = note_in(bucket->slot[at], hash);
            slot_set(bucket, at, tag_of(hash), handle);
            return true;
        }
        if (bucket->next == 0) {
            bucket->next = overflow_take(table, stripe);
            if (bucket->next == 0)
                return false;
        }
        bucket = next_bucket(table, bucket);
    }
}

static void
note_row(struct table *table, uint32_t rows)
{
    uint32_t before = atomic_load_explicit(&table->rows, memory_order_relaxed);

    while (before < rows && !atomic_compare_exchange_weak(&table->rows, &before, rows))
        continue;
}

/*
 * Split one bucket, if the stripe has too many items for its buckets.
 *
 * The items of the source chain are taken out and put back under one bucket more; they
 * go to the source or to the new bucket, so the source's overflow buckets suffice. Which
 * one is told by a bit of the hash that the table does not keep: the keys are read, after
 * asking for all of them at once.
 */
static void
stripe_grow(struct table *table, const struct pages *pages, struct stripe *stripe,
            uint64_t hash)
{
    size_t         lane = table_lane(hash);
    uint32_t       buckets = table_size(table, lane);
    uint32_t       from = buckets - power_below(buckets);
    struct bucket *source = &table->buckets[((size_t)from << STRIPE_BITS) | lane];
    struct bucket *bucket, *next;

    if (stripe->items <= (uint64_t)buckets * ITEMS_A_BUCKET ||
        buckets == table->buckets_max)
        return;
    for (bucket = source; bucket != NULL; bucket = next_bucket(table, bucket)) {
        for (unsigned bits = used_slots(bucket); bits != 0; bits &= bits - 1)
            __builtin_prefetch(
                pages_item(pages, bucket->slot[__builtin_ctz(bits)])->bytes);
    }
    atomic_store_explicit(&table->sizes[lane], buckets + 1, memory_order_relaxed);
    note_row(table, buckets + 1);
    for (bucket = source; bucket != NULL; bucket = next) {
        struct bucket old = *bucket;

        next = next_bucket(table, bucket);
        for (unsigned i = 0; i < BUCKET_SLOTS; i++)
            slot_set(bucket, i, 0, 0);
        if (bucket != source)
            overflow_give(table, stripe, bucket);
        else
            bucket->next = 0;
        for (unsigned bits = used_slots(&old); bits != 0; bits &= bits - 1) {
            handle_t handle = old.slot[__builtin_ctz(bits)];
            uint64_t moved = table_hash(table, item_key(pages_item(pages, handle)));
            unsigned ignored;
            bool     found_room;

            found_room = chain_insert(table, stripe, bucket_of(table, moved, buckets + 1),
                                      moved, handle, &ignored);
            must(found_room);
        }
    }
}

bool
table_insert(struct table *table, const struct pages *pages, uint64_t hash,
             handle_t handle, unsigned *note)
{
    struct stripe *stripe = table_stripe(table, hash);

    if (!chain_insert(table, stripe, home_bucket(table, hash), hash, handle, note))
        return false;
    stripe->items++;
    stripe_grow(table, pages, stripe, hash);
    return true;
}

void
table_replace(struct table *table, uint64_t hash, handle_t from, handle_t to)
{
    struct place place = find_handle(table, hash, from);

    must(place.bucket != NULL);
    slot_set(place.bucket, place.at, tag_of(hash), to);
}

void
table_remove(struct table *table, uint64_t hash, handle_t handle, unsigned note)
{
    struct stripe *stripe = table_stripe(table, hash);
    struct place   place = find_handle(table, hash, handle);

    must(place.bucket != NULL);
    must_hot(note >> NOTE_BITS == 0);
    slot_set(place.bucket, place.at, 0, note != 0 ? ghost_of(hash) | note : 0);
    stripe->items--;
    if (place.before != NULL && place.bucket->tags_low == 0 &&
        place.bucket->tags_high == 0) {
        place.before->next = place.bucket->next;
        overflow_give(table, stripe, place.bucket);
    }
}

struct item *
table_any(const struct table *table, const struct pages *pages,
          const struct stripe *stripe, uint32_t *bucket)
{
    size_t lane = (size_t)(stripe - table->stripes);

    lock_must_be_held(&stripe->lock);
    for (; *bucket < table_size(table, lane); ++*bucket) {
        const struct bucket *at =
            &table->buckets[((size_t)*bucket << STRIPE_BITS) | lane];

        for (; at != NULL; at = next_bucket(table, at)) {
            unsigned bits = used_slots(at);

            if (bits != 0)
                return pages_item(pages, at->slot[__builtin_ctz(bits)]);
        }
    }
    return NULL;
}

unsigned
table_list(const struct table *table, const struct pages *pages,
           const struct stripe *stripe, uint32_t bucket, struct item **items,
           unsigned most)
{
    size_t               lane = (size_t)(stripe - table->stripes);
    const struct bucket *at = &table->buckets[((size_t)bucket << STRIPE_BITS) | lane];
    unsigned             count = 0;

    lock_must_be_held(&stripe->lock);
    for (; at != NULL; at = next_bucket(table, at)) {
        for (unsigned bits = used_slots(at); bits != 0 && count < most; bits &= bits - 1)
            items[count++] = pages_item(pages, at->slot[__builtin_ctz(bits)]);
    }
    return count;
}

void
table_prefetch_bucket(const struct table *table, uint64_t hash)
{
    size_t lane = table_lane(hash);

    __builtin_prefetch(bucket_of(table, hash, table_size(table, lane)));
    __builtin_prefetch(&table->stripes[lane], 1); /* its lock is to be taken */
}

void
table_prefetch_item(const struct table *table, const struct pages *pages, uint64_t hash)
{
    uint32_t             buckets = table_size(table, table_lane(hash));
    const struct bucket *bucket = bucket_of(table, hash, buckets);

    for (unsigned bits = matches(bucket, tag_of(hash)); bits != 0; bits &= bits - 1) {
        unsigned    at = (unsigned)__builtin_ctz(bits);
        handle_t    handle = __atomic_load_n(&bucket->slot[at], __ATOMIC_RELAXED);
        const char *item = (const char *)pages_item(pages, handle);

        __builtin_prefetch(item);
        __builtin_prefetch(item + 64);
        __builtin_prefetch(item + 128);
    }
}

size_t
table_bytes(const struct table *table)
{
    size_t buckets = atomic_load(&table->overflow_used);

    for (size_t i = 0; i < (size_t)1 << STRIPE_BITS; i++)
        buckets += table_size(table, i);
    return buckets * sizeof(struct bucket);
}
