/* slabs/must.h - assertions that stay on.
 *
 * must(x)      an invariant of this program. Checked in every build; when it does
 *              not hold, the condition, the place and the locks that the thread
 *              holds are printed and the process aborts.
 * must_hot(x)  the same for loops that run once an item: debug builds only.
 *
 * Conditions have no side effects. What a peer sends never reaches an assertion:
 * bad input is an ordinary result.
 */
#ifndef LARDER_SLABS_MUST_H
#define LARDER_SLABS_MUST_H

_Noreturn void must_fail(const char *condition, const char *file, int line);

#define must(x)                                                                          \
    do {                                                                                 \
        if (__builtin_expect(!(x), 0))                                                   \
            must_fail(#x, __FILE__, __LINE__);                                           \
    } while (0)

#if LARDER_DEBUG
#define must_hot(x) must(x)
#else
#define must_hot(x) ((void)0)
#endif

#endif
