/* t/unit/test_server_tls_buffers.c - which memory of OpenSSL's a thread keeps. */
#include "server/tls_buffers.h"

#include <openssl/crypto.h>

#include "t/unit/fixture.h"

enum { RECORD = 16709 }; /* what OpenSSL 3.0 takes for one that comes in */

START_TEST(a_buffer_is_the_next_ones)
{
    void *first, *second, *third;

    tls_buffers_keep();
    first = OPENSSL_malloc(RECORD);
    second = OPENSSL_malloc(RECORD - 100);
    third = OPENSSL_malloc(RECORD + 100);
    ck_assert(first != NULL && second != NULL && third != NULL);
    memset(first, 1, RECORD);
    OPENSSL_free(first);
    OPENSSL_free(second);
    OPENSSL_free(third); /* one more than are kept */
#if !LARDER_DEBUG
    ck_assert_ptr_eq(OPENSSL_malloc(RECORD + 100), second);
    ck_assert_ptr_eq(OPENSSL_malloc(RECORD - 100), first);
    OPENSSL_free(first);
    OPENSSL_free(second);
#endif
}
END_TEST

START_TEST(what_is_smaller_or_larger_is_as_it_was_asked_for)
{
    static const size_t sizes[] = { 1, 100, 16383, 18433, 40000, 1 << 20 };
    char               *memory;

    tls_buffers_keep();
    ck_assert_ptr_null(OPENSSL_malloc(0));
    OPENSSL_free(NULL);
    for (unsigned i = 0; i < LENGTH(sizes); i++) {
        memory = OPENSSL_zalloc(sizes[i]);
        ck_assert_ptr_nonnull(memory);
        for (size_t at = 0; at < sizes[i]; at++)
            quick_assert(memory[at] == 0);
        memset(memory, 'x', sizes[i]);
        memory = OPENSSL_realloc(memory, sizes[i] + RECORD);
        ck_assert_ptr_nonnull(memory);
        for (size_t at = 0; at < sizes[i]; at++)
            quick_assert(memory[at] == 'x');
        OPENSSL_free(memory);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("server/tls_buffers");
    TCase *tcase = fixture_case(suite, "buffers");

    tcase_add_test(tcase, a_buffer_is_the_next_ones);
    tcase_add_test(tcase, what_is_smaller_or_larger_is_as_it_was_asked_for);
    return fixture_run(suite);
}
