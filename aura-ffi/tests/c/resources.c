/* Buffers of the pool; registered buffers and files and their end. */
#include "harness.h"

#include <stdint.h>

TEST(pool_buffers_are_aligned_and_counted) {
  aura_engine_t *engine = small_engine();
  static const size_t sizes[] = {1, 511, 512, 4096, 4097, 65536, 1 << 20, (size_t)128 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    unsigned char *buffer = aura_buffer_alloc(engine, sizes[i]);
    CHECK(buffer != NULL);
    CHECK_EQ((uintptr_t)buffer % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
    buffer[0] = buffer[sizes[i] - 1] = 1;
    aura_buffer_stats_t stats;
    CHECK_EQ(aura_get_buffer_stats(engine, &stats, sizeof stats), 0);
    CHECK_EQ(stats.total_buffers, 1);
    CHECK(stats.total_allocated_bytes >= sizes[i]);
    aura_buffer_free(engine, buffer);
  }
  CHECK_FAILS(aura_buffer_alloc(engine, 0), NULL, EINVAL);
  CHECK_FAILS(aura_buffer_alloc(engine, SIZE_MAX), NULL, EINVAL);
  CHECK_FAILS(aura_buffer_alloc(engine, ((size_t)128 << 20) + 1), NULL, EINVAL);
  aura_destroy(engine);
}

TEST(the_alignment_asked_for_is_given) {
  aura_options_t options;
  aura_options_init(&options);
  options.ring_count = 1;
  options.buffer_alignment = 65536;
  aura_engine_t *engine = aura_create_with_options(&options);
  CHECK(engine != NULL);
  void *buffer = aura_buffer_alloc(engine, 100);
  CHECK_EQ((uintptr_t)buffer % 65536, 0);
  aura_buffer_free(engine, buffer);
  aura_destroy(engine);
}

TEST(what_is_no_buffer_of_the_pool_is_not_freed) {
  aura_engine_t *engine = small_engine(), *stranger = small_engine();
  unsigned char *buffer = aura_buffer_alloc(engine, 4096);
  CHECK(buffer != NULL);
  int on_stack = 0;
#define NOT_FREED(engine, pointer)     \
  do {                                 \
    errno = 0;                         \
    aura_buffer_free(engine, pointer); \
    CHECK_EQ(errno, EINVAL);           \
  } while (0)
  NOT_FREED(engine, &on_stack);
  NOT_FREED(engine, buffer + 1);
  NOT_FREED(engine, (void *)1);
  NOT_FREED(engine, (void *)UINTPTR_MAX);
  NOT_FREED(stranger, buffer);
  NOT_FREED(NULL, buffer);
  aura_buffer_free(engine, buffer);
  NOT_FREED(engine, buffer); /* Twice. */
#undef NOT_FREED
  aura_buffer_free(engine, NULL);
  aura_destroy(stranger);
  aura_destroy(engine);
}

/* ---- Registered buffers ----------------------------------------------------------------------------- */

enum { BUFFERS = 3, BUFFER_BYTES = 8192 };
static unsigned char memory[BUFFERS][BUFFER_BYTES];

static aura_engine_t *engine_with_buffers(int rings) {
  aura_engine_t *engine = engine_of(rings, 64);
  struct iovec iovs[BUFFERS];
  memset(memory, 0, sizeof memory);
  for (int i = 0; i < BUFFERS; i++) {
    iovs[i] = (struct iovec){memory[i], BUFFER_BYTES};
  }
  CHECK_EQ(aura_register_buffers(engine, iovs, BUFFERS), 0);
  return engine;
}

TEST(registered_buffers_are_read_into_and_written_from) {
  aura_engine_t *engine = engine_with_buffers(2);
  const int fd = filled_file(BUFFER_BYTES);
  heard_t read = {0}, written = {0};
  CHECK_EQ(outcome(engine, aura_read(engine, fd, aura_buf_fixed(1, 100), 1000, 200, hear, &read), &read), 1000);
  CHECK_EQ(read.type, AURA_OP_READ_FIXED);
  CHECK(is_filled(memory[1] + 100, 200, 1000));
  CHECK_EQ(memory[1][99], 0);
  memcpy(memory[2], "fixed", 5);
  CHECK_EQ(outcome(engine, aura_write(engine, fd, aura_buf_fixed_idx(2), 5, 0, hear, &written), &written), 5);
  CHECK_EQ(written.type, AURA_OP_WRITE_FIXED);
  char found[6] = {0};
  CHECK_EQ(pread(fd, found, 5, 0), 5);
  CHECK_STR(found, "fixed");
  aura_op_t op;
  aura_op_init(&op, AURA_OP_READ_FIXED);
  op.fd = fd;
  op.buf = aura_buf_fixed(0, BUFFER_BYTES - 5);
  op.len = 5;
  heard_t last = {0};
  CHECK_EQ(outcome(engine, aura_submit(engine, &op, hear, &last), &last), 5);
  CHECK_EQ(memcmp(memory[0] + BUFFER_BYTES - 5, "fixed", 5), 0);
  CHECK_EQ(aura_unregister(engine, AURA_REG_BUFFERS), 0);
  aura_destroy(engine);
  close(fd);
}

TEST(places_outside_registered_buffers_are_refused) {
  aura_engine_t *engine = engine_with_buffers(1);
  const int fd = filled_file(64);
#define REFUSED(buf, len) CHECK_FAILS(aura_read(engine, fd, buf, len, 0, NULL, NULL), NULL, EINVAL)
  REFUSED(aura_buf_fixed(BUFFERS, 0), 1);
  REFUSED(aura_buf_fixed(2147483647, 0), 1);
  REFUSED(aura_buf_fixed(-1, 0), 1);
  REFUSED(aura_buf_fixed(0, BUFFER_BYTES), 1);
  REFUSED(aura_buf_fixed(0, 1), BUFFER_BYTES);
  REFUSED(aura_buf_fixed(0, SIZE_MAX), 1);
  REFUSED(aura_buf_fixed(0, SIZE_MAX), 2);
#undef REFUSED
  aura_destroy(engine);
  close(fd);
}

TEST(bad_registrations_of_buffers_are_refused) {
  aura_engine_t *engine = small_engine();
  struct iovec iovs[2] = {{memory[0], 4096}, {memory[1], 4096}};
  CHECK_FAILS(aura_register_buffers(engine, NULL, 1), -1, EINVAL);
  CHECK_FAILS(aura_register_buffers(engine, iovs, 0), -1, EINVAL);
  CHECK_FAILS(aura_register_buffers(engine, iovs, UINT32_MAX), -1, EINVAL);
  CHECK_FAILS(aura_register_buffers(engine, (struct iovec *)((char *)iovs + 1), 1), -1, EINVAL);
  iovs[1].iov_base = NULL;
  CHECK_FAILS(aura_register_buffers(engine, iovs, 2), -1, EINVAL);
  iovs[1] = (struct iovec){memory[0] + 100, 10};
  CHECK_FAILS(aura_register_buffers(engine, iovs, 2), -1, EINVAL);
  iovs[1] = (struct iovec){memory[1], 0};
  CHECK_FAILS(aura_register_buffers(engine, iovs, 2), -1, EINVAL);
  iovs[1] = (struct iovec){(void *)4096, 4096}; /* Not mapped. */
  CHECK_FAILS(aura_register_buffers(engine, iovs, 2), -1, EFAULT);
  CHECK_FAILS(aura_unregister(engine, AURA_REG_BUFFERS), -1, ENOENT);
  CHECK_FAILS(aura_request_unregister(engine, AURA_REG_BUFFERS), -1, ENOENT);
  CHECK_FAILS(aura_unregister(engine, (aura_reg_type_t)2), -1, EINVAL);
  CHECK_FAILS(aura_request_unregister(engine, (aura_reg_type_t)1000), -1, EINVAL);
  iovs[1] = (struct iovec){memory[1], 4096};
  CHECK_EQ(aura_register_buffers(engine, iovs, 2), 0);
  CHECK_FAILS(aura_register_buffers(engine, iovs, 2), -1, EBUSY);
  CHECK_EQ(aura_unregister(engine, AURA_REG_BUFFERS), 0);
  CHECK_EQ(aura_register_buffers(engine, iovs, 1), 0);
  aura_destroy(engine);
}

TEST(unregistering_waits_for_what_is_in_flight_and_refuses_what_is_new) {
  aura_engine_t *engine = engine_with_buffers(1);
  int pipe_fds[2];
  CHECK_EQ(pipe(pipe_fds), 0);
  heard_t heard = {0}, plain = {0};
  CHECK(aura_read(engine, pipe_fds[0], aura_buf_fixed_idx(0), 4, 0, hear, &heard) != NULL);
  CHECK_EQ(aura_flush(engine), 0);
  CHECK_EQ(aura_request_unregister(engine, AURA_REG_BUFFERS), 0);
  CHECK_EQ(aura_request_unregister(engine, AURA_REG_BUFFERS), 0); /* Again is no error. */
  const int fd = filled_file(64);
  CHECK_FAILS(aura_read(engine, fd, aura_buf_fixed_idx(0), 4, 0, NULL, NULL), NULL, EBUSY);
  CHECK_FAILS(aura_write(engine, fd, aura_buf_fixed_idx(1), 4, 0, NULL, NULL), NULL, EBUSY);
  struct iovec iov = {memory[1], 4096};
  CHECK_FAILS(aura_register_buffers(engine, &iov, 1), -1, EBUSY);
  unsigned char byte;
  CHECK(aura_read(engine, fd, aura_buf(&byte), 1, 0, hear, &plain) != NULL); /* Others go on. */
  while (plain.calls == 0) {
    CHECK(aura_wait(engine, 1000) >= 0);
  }
  CHECK_EQ(heard.calls, 0);
  CHECK_EQ(write(pipe_fds[1], "late", 4), 4);
  CHECK_EQ(aura_unregister(engine, AURA_REG_BUFFERS), 0); /* Waits, and delivers. */
  CHECK_EQ(heard.calls, 1);
  CHECK_EQ(heard.result, 4);
  CHECK_EQ(memcmp(memory[0], "late", 4), 0);
  CHECK_FAILS(aura_read(engine, fd, aura_buf_fixed_idx(0), 4, 0, NULL, NULL), NULL, ENOENT);
  CHECK_EQ(aura_register_buffers(engine, &iov, 1), 0);
  aura_destroy(engine);
  close(fd);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

typedef struct {
  aura_engine_t *engine;
  int fd, unregistered, busy;
} inside_t;

static void unregister_inside(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req, (void)result;
  inside_t *inside = user_data;
  inside->unregistered = aura_unregister(inside->engine, AURA_REG_BUFFERS);
  errno = 0;
  if (aura_read(inside->engine, inside->fd, aura_buf_fixed_idx(0), 1, 0, NULL, NULL) == NULL) {
    inside->busy = errno;
  }
}

TEST(unregistering_in_a_callback_does_not_wait) {
  aura_engine_t *engine = engine_with_buffers(1);
  int pipe_fds[2];
  CHECK_EQ(pipe(pipe_fds), 0);
  inside_t inside = {engine, filled_file(64), -1, 0};
  heard_t heard = {0};
  CHECK(aura_read(engine, pipe_fds[0], aura_buf_fixed_idx(0), 1, 0, hear, &heard) != NULL);
  CHECK(aura_read(engine, inside.fd, aura_buf_fixed_idx(1), 1, 0, unregister_inside, &inside) != NULL);
  while (inside.unregistered == -1) {
    CHECK(aura_wait(engine, 5000) >= 0);
  }
  CHECK_EQ(inside.unregistered, 0);
  CHECK_EQ(inside.busy, EBUSY);
  CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
  CHECK_EQ(aura_drain(engine, 5000), 1);
  struct iovec iov = {memory[1], 4096};
  CHECK_EQ(aura_register_buffers(engine, &iov, 1), 0);
  aura_destroy(engine);
  close(inside.fd);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

/* ---- Registered files -------------------------------------------------------------------------------- */

TEST(registered_files_are_named_by_index) {
  aura_engine_t *engine = engine_of(2, 64);
  int fds[3] = {filled_file(64), -1, filled_file(1000)};
  CHECK_EQ(aura_register_files(engine, fds, 3), 0);
  unsigned char byte = 0;
  aura_op_t op;
  aura_op_init(&op, AURA_OP_READ);
  op.flags = AURA_FIXED_FILE;
  op.fd = 2;
  op.buf = aura_buf(&byte);
  op.len = 1;
  op.offset = 77;
  heard_t first = {0}, empty = {0}, filled = {0}, outside = {0}, gone = {0};
  close(fds[2]); /* A registered file lives on. */
  CHECK_EQ(outcome(engine, aura_submit(engine, &op, hear, &first), &first), 1);
  CHECK_EQ(byte, 77);
  CHECK_EQ(first.fd, 2);
  op.fd = 1;
  CHECK_EQ(outcome(engine, aura_submit(engine, &op, hear, &empty), &empty), -EBADF);
  op.fd = 3;
  aura_request_t *req = aura_submit(engine, &op, hear, &outside);
  CHECK_EQ(outcome(engine, req, &outside), -EBADF);
  CHECK_EQ(aura_update_file(engine, 1, fds[0]), 0);
  op.fd = 1;
  op.offset = 5;
  CHECK_EQ(outcome(engine, aura_submit(engine, &op, hear, &filled), &filled), 1);
  CHECK_EQ(byte, 5);
  CHECK_EQ(aura_update_file(engine, 1, -1), 0);
  CHECK_EQ(outcome(engine, aura_submit(engine, &op, hear, &gone), &gone), -EBADF);
  aura_op_t sync;
  aura_op_init(&sync, AURA_OP_FSYNC);
  sync.flags = AURA_FIXED_FILE;
  sync.fd = 0;
  heard_t synced = {0};
  CHECK_EQ(outcome(engine, aura_submit(engine, &sync, hear, &synced), &synced), 0);
  CHECK_EQ(aura_unregister(engine, AURA_REG_FILES), 0);
  aura_destroy(engine);
  close(fds[0]);
}

TEST(bad_registrations_of_files_are_refused) {
  aura_engine_t *engine = small_engine();
  const int fds[2] = {filled_file(8), -1};
  const int bad[2] = {fds[0], -2}, closed[2] = {fds[0], 100000};
  CHECK_FAILS(aura_register_files(engine, NULL, 1), -1, EINVAL);
  CHECK_FAILS(aura_register_files(engine, fds, 0), -1, EINVAL);
  CHECK_FAILS(aura_register_files(engine, fds, UINT32_MAX), -1, EINVAL);
  CHECK_FAILS(aura_register_files(engine, bad, 2), -1, EINVAL);
  CHECK_FAILS(aura_register_files(engine, closed, 2), -1, EBADF);
  CHECK_FAILS(aura_update_file(engine, 0, fds[0]), -1, ENOENT);
  CHECK_FAILS(aura_unregister(engine, AURA_REG_FILES), -1, ENOENT);
  CHECK_EQ(aura_register_files(engine, fds, 2), 0);
  CHECK_FAILS(aura_register_files(engine, fds, 2), -1, EBUSY);
  CHECK_FAILS(aura_update_file(engine, 2, fds[0]), -1, EINVAL);
  CHECK_FAILS(aura_update_file(engine, -1, fds[0]), -1, EINVAL);
  CHECK_FAILS(aura_update_file(engine, 0, -2), -1, EINVAL);
  CHECK_FAILS(aura_update_file(engine, 0, 100000), -1, EBADF);
  CHECK_EQ(aura_request_unregister(engine, AURA_REG_FILES), 0);
  CHECK_FAILS(aura_request_unregister(engine, AURA_REG_FILES), -1, ENOENT);
  aura_destroy(engine);
  close(fds[0]);
}
