/* t/unit/test_server_udp.c - the frame of datagrams, and messages cut into them. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/udp_frame.h"
#include "t/unit/suite.h"

enum { LARGEST = 3 * UDP_BATCH * UDP_PAYLOAD_MAX };

static char message[LARGEST];

static void
fill_message(void)
{
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (char)(i * 7 + i / 251);
}

/* Take the frame off the first `length` bytes of `text`. */
static bool
reads(const char *text, size_t length, struct udp_frame *frame, struct span *payload)
{
    return udp_frame_read((struct span){ text, length }, frame, payload);
}

START_TEST(a_request_has_a_frame_and_something_behind_it)
{
    static const char datagram[] = "\x12\x34\x56\x78\0\1\xff\xff"
                                   "mn\r\n";
    struct udp_frame  frame;
    struct span       payload;

    ck_assert(reads(datagram, sizeof(datagram) - 1, &frame, &payload));
    ck_assert_uint_eq(frame.request, 0x1234);
    ck_assert_uint_eq(frame.sequence, 0x5678);
    ck_assert_uint_eq(frame.total, 1);
    ck_assert_ptr_eq(payload.at, datagram + UDP_HEADER);
    ck_assert_uint_eq(payload.length, 4);
    for (size_t length = 0; length <= UDP_HEADER; length++)
        ck_assert(!reads(datagram, length, &frame, &payload));
    ck_assert(reads(datagram, UDP_HEADER + 1, &frame, &payload));
}
END_TEST

START_TEST(a_request_is_one_datagram)
{
    char             datagram[] = "\0\0\0\0\0\0\0\0mn\r\n";
    struct udp_frame frame;
    struct span      payload;

    for (unsigned total = 0; total <= UINT16_MAX; total++) {
        datagram[4] = (char)(total >> 8);
        datagram[5] = (char)total;
        ck_assert_int_eq(reads(datagram, sizeof(datagram) - 1, &frame, &payload),
                         total == 1);
    }
}
END_TEST

START_TEST(what_is_written_is_read_again)
{
    struct udp_frame frame = { 0xabcd, 0x0123, 1 }, again;
    char             datagram[UDP_HEADER + 1] = "";
    struct span      payload;

    udp_frame_write(datagram, &frame);
    ck_assert_mem_eq(datagram, "\xab\xcd\x01\x23\0\1\0\0", UDP_HEADER);
    ck_assert(reads(datagram, sizeof(datagram), &again, &payload));
    ck_assert_mem_eq(&again, &frame, sizeof(frame));
}
END_TEST

START_TEST(each_begun_payload_is_a_datagram)
{
    ck_assert_uint_eq(udp_frame_count(1), 1);
    ck_assert_uint_eq(udp_frame_count(UDP_PAYLOAD_MAX), 1);
    ck_assert_uint_eq(udp_frame_count(UDP_PAYLOAD_MAX + 1), 2);
    ck_assert_uint_eq(udp_frame_count(UDP_MESSAGE_MAX), UINT16_MAX);
    ck_assert_uint_eq(udp_frame_wire(1), UDP_HEADER + 1);
    ck_assert_uint_eq(udp_frame_wire(UDP_PAYLOAD_MAX), UDP_DATAGRAM_MAX);
    ck_assert_uint_eq(udp_frame_wire(UDP_PAYLOAD_MAX + 1),
                      UDP_DATAGRAM_MAX + UDP_HEADER + 1);
}
END_TEST

/* Look at a batch: numbers from `sequence` on, full datagrams but the last of the message,
 * and the message's bytes from `from` on. */
static void
check_batch(const struct udp_batch *batch, unsigned sequence, size_t from, size_t total)
{
    for (unsigned i = 0; i < batch->count; i++) {
        const struct msghdr *one = &batch->messages[i].msg_hdr;
        struct udp_frame     want = { 77, (uint16_t)(sequence + i),
                                      (uint16_t)udp_frame_count(total) };
        char                 header[UDP_HEADER];
        size_t               bytes = 0;

        udp_frame_write(header, &want);
        ck_assert_uint_eq(one->msg_iov[0].iov_len, UDP_HEADER);
        ck_assert_mem_eq(one->msg_iov[0].iov_base, header, UDP_HEADER);
        for (size_t v = 1; v < one->msg_iovlen; v++) {
            ck_assert_mem_eq(one->msg_iov[v].iov_base, message + from,
                             one->msg_iov[v].iov_len);
            bytes += one->msg_iov[v].iov_len;
            from += one->msg_iov[v].iov_len;
        }
        ck_assert_uint_eq(bytes, from < total ? UDP_PAYLOAD_MAX
                                              : total - (total - 1) / UDP_PAYLOAD_MAX *
                                                            UDP_PAYLOAD_MAX);
    }
}

/* Cut a message of `total` bytes that lies in parts of `part` bytes. */
static void
check_cuts(size_t total, size_t part)
{
    struct udp_batch *batch = malloc(sizeof(*batch));
    struct udp_frame  frame = { 77, 0, (uint16_t)udp_frame_count(total) };
    struct msghdr     nobody = { 0 };
    struct iovec      vectors[66];
    size_t            done = 0;

    ck_assert_ptr_nonnull(batch);
    while (done < total) {
        unsigned count = 0;

        for (size_t at = done; at < total && count < 66; count++) {
            size_t here = total - at < part ? total - at : part;

            vectors[count] = (struct iovec){ message + at, here };
            at += here;
        }
        udp_batch_cut(batch, &frame, vectors, count, total - done, &nobody);
        ck_assert_uint_gt(batch->count, 0);
        check_batch(batch, frame.sequence, done, total);
        done += batch->bytes;
        frame.sequence = (uint16_t)(frame.sequence + batch->count);
    }
    ck_assert_uint_eq(done, total);
    ck_assert_uint_eq(frame.sequence, frame.total);
    free(batch);
}

START_TEST(a_message_is_cut_into_full_datagrams_however_it_lies)
{
    static const size_t totals[] = { 1,
                                     UDP_PAYLOAD_MAX - 1,
                                     UDP_PAYLOAD_MAX,
                                     UDP_PAYLOAD_MAX + 1,
                                     UDP_BATCH * UDP_PAYLOAD_MAX,
                                     UDP_BATCH * UDP_PAYLOAD_MAX + 1,
                                     LARGEST };
    static const size_t parts[] = { 40, 500, 1391, 1392, 1393, 4000, 70000, LARGEST };

    fill_message();
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        for (size_t j = 0; j < sizeof(parts) / sizeof(parts[0]); j++)
            check_cuts(totals[i], parts[j]);
    }
}
END_TEST

START_TEST(parts_too_small_for_a_datagram_make_none)
{
    struct udp_batch *batch = malloc(sizeof(*batch));
    struct udp_frame  frame = { 1, 0, 2 };
    struct msghdr     nobody = { 0 };
    struct iovec      one = { message, UDP_PAYLOAD_MAX - 1 };

    ck_assert_ptr_nonnull(batch);
    udp_batch_cut(batch, &frame, &one, 1, UDP_PAYLOAD_MAX + 5, &nobody);
    ck_assert_uint_eq(batch->count, 0);
    ck_assert_uint_eq(batch->bytes, 0);
    free(batch);
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("server/udp");
    TCase *frame = tcase_create("frame"), *cut = tcase_create("cut");

    tcase_add_test(frame, a_request_has_a_frame_and_something_behind_it);
    tcase_add_test(frame, a_request_is_one_datagram);
    tcase_add_test(frame, what_is_written_is_read_again);
    tcase_add_test(frame, each_begun_payload_is_a_datagram);
    tcase_add_test(cut, a_message_is_cut_into_full_datagrams_however_it_lies);
    tcase_add_test(cut, parts_too_small_for_a_datagram_make_none);
    suite_add_tcase(suite, frame);
    suite_add_tcase(suite, cut);
    return suite;
}

int
main(void)
{
    return fixture_run(make_suite());
}
