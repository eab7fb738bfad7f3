/* t/unit/test_protocol_number.c - numbers and base64 as the protocols have them. */
#include "protocol/number.h"

#include "protocol/base64.h"
#include "t/unit/fixture.h"

struct wide {
    const char *text;
    bool        good;
    uint64_t    number;
};

static const struct wide strict_u64[] = {
    { "0", true, 0 },
    { "18446744073709551615", true, UINT64_MAX },
    { "0018446744073709551615", true, UINT64_MAX }, /* 22 characters */
    { "00018446744073709551615", false, 0 },        /* 23 */
    { "18446744073709551616", false, 0 },
    { "99999999999999999999", false, 0 },
    { "", false, 0 },
    { "+1", false, 0 },
    { "-1", false, 0 },
    { "-", false, 0 },
    { " 1", false, 0 },
    { "1 ", false, 0 },
    { "1a", false, 0 },
    { "0x1", false, 0 },
};

START_TEST(a_strict_u64_is_digits_of_limited_length)
{
    uint64_t number = 77;
    bool     good = number_strict_u64(text_span(strict_u64[_i].text), &number);

    ck_assert_msg(good == strict_u64[_i].good, "'%s'", strict_u64[_i].text);
    if (good)
        ck_assert_uint_eq(number, strict_u64[_i].number);
}
END_TEST

static const struct wide strict_u32[] = {
    { "4294967295", true, UINT32_MAX },
    { "4294967296", false, 0 },
    { "00000000001", true, 1 },
    { "000000000001", false, 0 },
    { "-1", false, 0 },
    { "", false, 0 },
};

START_TEST(a_strict_u32_has_eleven_characters_at_most)
{
    uint32_t number = 77;
    bool     good = number_strict_u32(text_span(strict_u32[_i].text), &number);

    ck_assert_msg(good == strict_u32[_i].good, "'%s'", strict_u32[_i].text);
    if (good)
        ck_assert_uint_eq(number, strict_u32[_i].number);
}
END_TEST

struct narrow {
    const char *text;
    bool        good;
    int64_t     number;
};

static const struct narrow strict_i32[] = {
    { "2147483647", true, INT32_MAX },
    { "2147483648", false, 0 },
    { "-2147483648", true, INT32_MIN },
    { "-2147483649", false, 0 },
    { "-", true, 0 }, /* as memcached has it */
    { "-0", true, 0 },
    { "--1", false, 0 },
    { "+1", false, 0 },
    { "", false, 0 },
    { "00000000000", true, 0 },
    { "000000000000", false, 0 },
};

START_TEST(a_strict_i32_may_have_one_minus)
{
    int32_t number = 77;
    bool    good = number_strict_i32(text_span(strict_i32[_i].text), &number);

    ck_assert_msg(good == strict_i32[_i].good, "'%s'", strict_i32[_i].text);
    if (good)
        ck_assert_int_eq(number, strict_i32[_i].number);
}
END_TEST

static const struct narrow lenient_flags[] = {
    { "0", true, 0 },
    { "+5", true, 5 },
    { "4294967295", true, 4294967295 },
    { "4294967296", true, 0 }, /* cut to 32 bits */
    { "18446744073709551615", true, UINT32_MAX },
    { "18446744073709551616", false, 0 },
    { "-1", false, 0 },
    { "5\t", true, 5 },
    { "\t5", true, 5 },
    { "5a", false, 0 },
    { "", false, 0 },
    { "+", false, 0 },
};

START_TEST(client_flags_are_what_strtoul_takes_cut_to_32_bits)
{
    uint32_t number = 77;
    bool     good = number_lenient_flags(text_span(lenient_flags[_i].text), &number);

    ck_assert_msg(good == lenient_flags[_i].good, "'%s'", lenient_flags[_i].text);
    if (good)
        ck_assert_int_eq(number, lenient_flags[_i].number);
}
END_TEST

static const struct narrow lenient_expiry[] = {
    { "0", true, 0 },
    { "-1", true, -1 },
    { "4294967296", true, 0 },
    { "4294967295", true, -1 },
    { "2147483648", true, INT32_MIN },
    { "9223372036854775807", true, -1 },
    { "9223372036854775808", false, 0 },
    { "-9223372036854775808", true, 0 },
    { "-9223372036854775809", false, 0 },
    { "1.5", false, 0 },
};

START_TEST(expiry_is_what_strtol_takes_cut_to_32_bits)
{
    int32_t number = 77;
    bool    good = number_lenient_expiry(text_span(lenient_expiry[_i].text), &number);

    ck_assert_msg(good == lenient_expiry[_i].good, "'%s'", lenient_expiry[_i].text);
    if (good)
        ck_assert_int_eq(number, lenient_expiry[_i].number);
}
END_TEST

START_TEST(base64_comes_back_as_it_went)
{
    char bytes[250], text[BASE64_ROOM(250)], back[250];

    for (size_t length = 1; length <= sizeof(bytes); length++) {
        size_t decoded;
        char  *end;

        pattern_fill(bytes, length, length);
        end = base64_encode(text, (struct span){ bytes, length });
        ck_assert_uint_eq((size_t)(end - text), BASE64_ROOM(length));
        ck_assert(base64_decode((struct span){ text, (size_t)(end - text) }, back,
                                sizeof(back), &decoded));
        ck_assert_uint_eq(decoded, length);
        ck_assert_mem_eq(back, bytes, length);
        /* One byte less room is not enough, and nothing is written beyond it. */
        ck_assert(!base64_decode((struct span){ text, (size_t)(end - text) }, back,
                                 length - 1, &decoded));
    }
}
END_TEST

static const struct {
    const char *text, *bytes; /* NULL: refused */
} encoded[] = {
    { "Zm9v", "foo" },   { "Zg==", "f" },     { "Zm8=", "fo" },  { "Z!m9v", "foo" },
    { "Zg==Zm9v", "f" }, { "Zm9v\r", "foo" }, { "", NULL },      { "Zg", NULL },
    { "Zg=", NULL },     { "Zg====", NULL },  { "====", NULL },  { "=", NULL },
    { "!!!!", NULL },    { "_-_-", NULL },    { "Zm9vZ", NULL },
};

START_TEST(base64_is_read_as_leniently_as_memcached_reads_it)
{
    char   room[16];
    size_t length = 0;
    bool   good = base64_decode(text_span(encoded[_i].text), room, sizeof(room), &length);

    ck_assert_msg(good == (encoded[_i].bytes != NULL), "'%s'", encoded[_i].text);
    if (good)
        ck_assert(
            span_equal((struct span){ room, length }, text_span(encoded[_i].bytes)));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("protocol/number");
    TCase *tcase = fixture_case(suite, "numbers");

    tcase_add_loop_test(tcase, a_strict_u64_is_digits_of_limited_length, 0,
                        LENGTH(strict_u64));
    tcase_add_loop_test(tcase, a_strict_u32_has_eleven_characters_at_most, 0,
                        LENGTH(strict_u32));
    tcase_add_loop_test(tcase, a_strict_i32_may_have_one_minus, 0, LENGTH(strict_i32));
    tcase_add_loop_test(tcase, client_flags_are_what_strtoul_takes_cut_to_32_bits, 0,
                        LENGTH(lenient_flags));
    tcase_add_loop_test(tcase, expiry_is_what_strtol_takes_cut_to_32_bits, 0,
                        LENGTH(lenient_expiry));
    tcase_add_test(tcase, base64_comes_back_as_it_went);
    tcase_add_loop_test(tcase, base64_is_read_as_leniently_as_memcached_reads_it, 0,
                        LENGTH(encoded));
    return fixture_run(suite);
}
