/* slabs/poison_priv.h - telling AddressSanitizer which bytes of a page are in use.
 *
 * It knows malloc(), but not what is cut from a page. In builds with it, touching a free
 * chunk behind its header, or what lies between the end of an item and the end of its
 * chunk, is reported like an access outside of an allocation, to the byte. In all other
 * builds these do nothing.
 *
 * Where it is told, chunks begin at multiples of 8, the unit in which AddressSanitizer keeps
 * book, so two threads with a chunk each are not in each other's way.
 */
#ifndef LARDER_SLABS_POISON_PRIV_H
#define LARDER_SLABS_POISON_PRIV_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISON_WORKS 1 /* gcc */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_WORKS 1 /* clang */
#endif
#endif

/* Chunks begin at multiples of 1 << this. */
#ifdef POISON_WORKS
#include <sanitizer/asan_interface.h>
enum { UNIT_SHIFT_LEAST = 3 };
#else
enum { UNIT_SHIFT_LEAST = 2 };
#endif

/* These bytes are not to be touched any more. They end where a chunk ends, or an item. */
static inline void
poison_lay(const void *at, size_t bytes)
{
#ifdef POISON_WORKS
    __asan_poison_memory_region(at, bytes);
#else
    (void)at, (void)bytes;
#endif
}

/* These bytes may be used. They begin where a chunk begins. */
static inline void
poison_lift(const void *at, size_t bytes)
{
#ifdef POISON_WORKS
    __asan_unpoison_memory_region(at, bytes);
#else
    (void)at, (void)bytes;
#endif
}

#endif
