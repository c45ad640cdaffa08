/* Each operation, with good and with bad arguments, as a function and as data. */
#include "harness.h"

enum { BYTES = 8192 };

TEST(a_read_brings_the_bytes) {
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(BYTES);
  unsigned char memory[BYTES] = {0};
  heard_t heard = {0};
  aura_request_t *req = aura_read(engine, fd, aura_buf(memory), 1000, 500, hear, &heard);
  CHECK_EQ(outcome(engine, req, &heard), 1000);
  CHECK(is_filled(memory, 500, 1000));
  CHECK_EQ(memory[1000], 0);
  CHECK_EQ(heard.fd, fd);
  CHECK_EQ(heard.type, AURA_OP_READ);
  /* Past the end: less, then nothing. */
  heard_t tail = {0}, end = {0}, empty = {0};
  CHECK_EQ(outcome(engine, aura_read(engine, fd, aura_buf(memory), BYTES, BYTES - 7, hear, &tail), &tail), 7);
  CHECK_EQ(outcome(engine, aura_read(engine, fd, aura_buf(memory), 10, BYTES, hear, &end), &end), 0);
  CHECK_EQ(outcome(engine, aura_read(engine, fd, aura_buf(memory), 0, 0, hear, &empty), &empty), 0);
  aura_destroy(engine);
  close(fd);
}

TEST(a_write_stores_the_bytes) {
  aura_engine_t *engine = small_engine();
  const int fd = scratch_file();
  char text[] = "forty-two";
  heard_t heard = {0};
  CHECK_EQ(outcome(engine, aura_write(engine, fd, aura_buf(text), 9, 100, hear, &heard), &heard), 9);
  CHECK_EQ(heard.type, AURA_OP_WRITE);
  char found[10] = {0};
  CHECK_EQ(pread(fd, found, 9, 100), 9);
  CHECK_STR(found, text);
  aura_destroy(engine);
  close(fd);
}

TEST(vectors_scatter_and_gather) {
  aura_engine_t *engine = small_engine();
  const int fd = scratch_file();
  char one[] = "one", two[] = "-two", found[4] = {0}, rest[5] = {0};
  const struct iovec out[] = {{one, 3}, {two, 4}};
  const struct iovec in[] = {{found, 3}, {rest, 4}};
  heard_t written = {0}, read = {0};
  CHECK_EQ(outcome(engine, aura_writev(engine, fd, out, 2, 0, hear, &written), &written), 7);
  CHECK_EQ(written.type, AURA_OP_WRITEV);
  CHECK_EQ(outcome(engine, aura_readv(engine, fd, in, 2, 0, hear, &read), &read), 7);
  CHECK_EQ(read.type, AURA_OP_READV);
  CHECK_STR(found, "one");
  CHECK_STR(rest, "-two");
  aura_destroy(engine);
  close(fd);
}

TEST(bad_arguments_of_reads_and_writes_are_refused) {
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(64);
  unsigned char memory[64];
  heard_t heard = {0};
#define BOTH(fd, buf, len, offset)                                                          \
  do {                                                                                      \
    CHECK_FAILS(aura_read(engine, fd, buf, len, offset, hear, &heard), NULL, EINVAL);       \
    CHECK_FAILS(aura_write(engine, fd, buf, len, offset, hear, &heard), NULL, EINVAL);      \
  } while (0)
  BOTH(-1, aura_buf(memory), 8, 0);
  BOTH(-2147483647 - 1, aura_buf(memory), 8, 0);
  BOTH(fd, aura_buf(NULL), 8, 0);
  BOTH(fd, aura_buf(NULL), 0, 0);
  BOTH(fd, aura_buf_fixed(-1, 0), 8, 0);
  BOTH(fd, aura_buf(memory), SIZE_MAX, 0);
  BOTH(fd, aura_buf(memory), (size_t)1 << 31, 0);
  BOTH(fd, aura_buf(memory), 8, -1);
  BOTH(fd, aura_buf(memory), 8, INT64_MIN);
#undef BOTH
  aura_buf_t odd = aura_buf(memory);
  const int type = 99;
  memcpy(&odd.type, &type, sizeof type);
  CHECK_FAILS(aura_read(engine, fd, odd, 8, 0, hear, &heard), NULL, EINVAL);
  odd = aura_buf_fixed(0, 0);
  odd.u.fixed.index = -3;
  CHECK_FAILS(aura_write(engine, fd, odd, 8, 0, hear, &heard), NULL, EINVAL);
  CHECK_FAILS(aura_read(engine, fd, aura_buf_fixed(0, 0), 8, 0, hear, &heard), NULL, ENOENT);
  CHECK_FAILS(aura_write(engine, fd, aura_buf_fixed_idx(7), 8, 0, hear, &heard), NULL, ENOENT);

  const struct iovec iov[2] = {{memory, 8}, {memory + 8, 8}};
  CHECK_FAILS(aura_readv(engine, fd, NULL, 1, 0, hear, &heard), NULL, EINVAL);
  CHECK_FAILS(aura_readv(engine, fd, iov, 0, 0, hear, &heard), NULL, EINVAL);
  CHECK_FAILS(aura_readv(engine, fd, iov, -1, 0, hear, &heard), NULL, EINVAL);
  CHECK_FAILS(aura_readv(engine, fd, iov, 1025, 0, hear, &heard), NULL, EINVAL);
  CHECK_FAILS(aura_readv(engine, fd, iov, 2147483647, 0, hear, &heard), NULL, EINVAL);
  CHECK_FAILS(aura_readv(engine, -1, iov, 2, 0, hear, &heard), NULL, EINVAL);
  CHECK_FAILS(aura_writev(engine, fd, NULL, 1, 0, hear, &heard), NULL, EINVAL);
  CHECK_FAILS(aura_writev(engine, fd, iov, 0, 0, hear, &heard), NULL, EINVAL);
  CHECK_FAILS(aura_writev(engine, fd, iov, 2, -1, hear, &heard), NULL, EINVAL);
  CHECK_EQ(aura_pending_count(engine), 0);
  CHECK_EQ(aura_drain(engine, 1000), 0);
  CHECK_EQ(heard.calls, 0);
  aura_destroy(engine);
  close(fd);
}

TEST(failures_of_the_kernel_arrive_in_the_callback) {
  aura_engine_t *engine = small_engine();
  const int fd = open("/dev/null", O_RDONLY);
  unsigned char memory[64] = {0};
  heard_t closed = {0}, denied = {0}, folder = {0};
  CHECK_EQ(outcome(engine, aura_read(engine, 100000, aura_buf(memory), 8, 0, hear, &closed), &closed), -EBADF);
  CHECK_EQ(outcome(engine, aura_write(engine, fd, aura_buf(memory), 8, 0, hear, &denied), &denied), -EBADF);
  const int dir = open("/", O_RDONLY | O_DIRECTORY);
  CHECK_EQ(outcome(engine, aura_read(engine, dir, aura_buf(memory), 8, 0, hear, &folder), &folder), -EISDIR);
  close(dir);
  close(fd);
  aura_destroy(engine);
}

TEST(fsync_and_fdatasync_complete) {
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(BYTES);
  heard_t full = {0}, data = {0};
  CHECK_EQ(outcome(engine, aura_fsync(engine, fd, AURA_FSYNC_DEFAULT, hear, &full), &full), 0);
  CHECK_EQ(full.type, AURA_OP_FSYNC);
  CHECK_EQ(outcome(engine, aura_fsync(engine, fd, AURA_FSYNC_DATASYNC, hear, &data), &data), 0);
  CHECK_EQ(data.type, AURA_OP_FDATASYNC);
  CHECK_FAILS(aura_fsync(engine, fd, 2, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_fsync(engine, fd, UINT32_MAX, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_fsync(engine, -1, AURA_FSYNC_DEFAULT, hear, NULL), NULL, EINVAL);
  aura_destroy(engine);
  close(fd);
}

TEST(a_file_is_opened_measured_and_closed) {
  aura_engine_t *engine = small_engine();
  const char *path = scratch_path();
  heard_t opened = {0}, again = {0}, missing = {0}, measured = {0}, by_fd = {0}, closed = {0};
  const int flags = AURA_O_RDWR | AURA_O_CREAT | AURA_O_TRUNC;
  aura_request_t *req = aura_openat(engine, AT_FDCWD, path, flags, 0640, hear, &opened);
  const int fd = (int)outcome(engine, req, &opened);
  CHECK(fd >= 0);
  CHECK_EQ(opened.type, AURA_OP_OPENAT);
  CHECK_EQ(opened.fd, AT_FDCWD);
  CHECK_EQ(pwrite(fd, "abc", 3, 0), 3);

  struct statx about;
  memset(&about, 0, sizeof about);
  req = aura_statx(engine, AT_FDCWD, path, AURA_AT_SYMLINK_NOFOLLOW, AURA_STATX_ALL, &about, hear, &measured);
  CHECK_EQ(outcome(engine, req, &measured), 0);
  CHECK_EQ(measured.type, AURA_OP_STATX);
  CHECK_EQ(about.stx_size, 3);
  memset(&about, 0, sizeof about);
  req = aura_statx(engine, fd, "", AURA_AT_EMPTY_PATH, AURA_STATX_SIZE, &about, hear, &by_fd);
  CHECK_EQ(outcome(engine, req, &by_fd), 0);
  CHECK_EQ(about.stx_size, 3);

  CHECK_EQ(outcome(engine, aura_close(engine, fd, hear, &closed), &closed), 0);
  CHECK_EQ(closed.type, AURA_OP_CLOSE);
  CHECK_EQ(fcntl(fd, F_GETFD), -1);
  CHECK_EQ(unlink(path), 0);
  CHECK_EQ(outcome(engine, aura_openat(engine, AT_FDCWD, path, AURA_O_RDONLY, 0, hear, &missing), &missing),
           -ENOENT);
  CHECK_EQ(outcome(engine, aura_close(engine, fd, hear, &again), &again), -EBADF);
  aura_destroy(engine);
}

TEST(bad_arguments_of_file_operations_are_refused) {
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(64);
  struct statx about;
  CHECK_FAILS(aura_openat(engine, AT_FDCWD, NULL, 0, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_openat(engine, -1, "x", 0, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_close(engine, -1, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_statx(engine, AT_FDCWD, NULL, 0, 0, &about, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_statx(engine, AT_FDCWD, "/", 0, 0, NULL, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_statx(engine, -7, "/", 0, 0, &about, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_fallocate(engine, -1, 0, 0, 1, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_fallocate(engine, fd, -1, 0, 1, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_fallocate(engine, fd, 0, -1, 1, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_fallocate(engine, fd, 0, 0, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_fallocate(engine, fd, 0, 0, -5, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_ftruncate(engine, -1, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_ftruncate(engine, fd, -1, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_sync_file_range(engine, -1, 0, 0, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_sync_file_range(engine, fd, -1, 0, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_sync_file_range(engine, fd, 0, -1, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_sync_file_range(engine, fd, 0, 0, 8, hear, NULL), NULL, EINVAL);
  CHECK_EQ(aura_drain(engine, 1000), 0);
  aura_destroy(engine);
  close(fd);
}

static off_t size_of(int fd) {
  struct stat about;
  CHECK_EQ(fstat(fd, &about), 0);
  return about.st_size;
}

TEST(space_is_allocated_and_lengths_are_set) {
  aura_engine_t *engine = small_engine();
  const int fd = scratch_file();
  heard_t grown = {0}, kept = {0}, cut = {0}, synced = {0};
  CHECK_EQ(outcome(engine, aura_fallocate(engine, fd, AURA_FALLOC_DEFAULT, 0, 9000, hear, &grown), &grown), 0);
  CHECK_EQ(grown.type, AURA_OP_FALLOCATE);
  CHECK_EQ(size_of(fd), 9000);
  aura_request_t *req = aura_fallocate(engine, fd, AURA_FALLOC_KEEP_SIZE, 9000, 9000, hear, &kept);
  CHECK_EQ(outcome(engine, req, &kept), 0);
  CHECK_EQ(size_of(fd), 9000);
  const unsigned int all = AURA_SYNC_RANGE_WAIT_BEFORE | AURA_SYNC_RANGE_WRITE | AURA_SYNC_RANGE_WAIT_AFTER;
  CHECK_EQ(outcome(engine, aura_sync_file_range(engine, fd, 0, 0, all, hear, &synced), &synced), 0);
  CHECK_EQ(synced.type, AURA_OP_SYNC_FILE_RANGE);
  errno = 0;
  req = aura_ftruncate(engine, fd, 123, hear, &cut);
  if (req == NULL && errno == ENOSYS) {
    aura_destroy(engine);
    close(fd);
    harness_skip("ftruncate came with Linux 6.9");
  }
  CHECK_EQ(outcome(engine, req, &cut), 0);
  CHECK_EQ(cut.type, AURA_OP_FTRUNCATE);
  CHECK_EQ(size_of(fd), 123);
  aura_destroy(engine);
  close(fd);
}

/* ---- As data --------------------------------------------------------------------------------------- */

TEST(operations_as_data_do_the_same) {
  aura_engine_t *engine = small_engine();
  const char *path = scratch_path();
  unsigned char memory[16] = "0123456789abcde";
  heard_t heard[12];
  memset(heard, 0, sizeof heard);
  int n = 0;
  aura_op_t op;
#define SUBMIT() outcome(engine, aura_submit(engine, &op, hear, &heard[n]), &heard[n])
  aura_op_init(&op, AURA_OP_OPENAT);
  op.fd = AT_FDCWD;
  op.pathname = path;
  op.op_flags = AURA_O_RDWR | AURA_O_CREAT;
  op.mode = 0600;
  const int fd = (int)SUBMIT();
  CHECK(fd >= 0);
  CHECK_EQ(unlink(path), 0);

  n++;
  aura_op_init(&op, AURA_OP_WRITE);
  op.fd = fd;
  op.buf = aura_buf(memory);
  op.len = 10;
  op.offset = 5;
  CHECK_EQ(SUBMIT(), 10);

  n++;
  memset(memory, 0, sizeof memory);
  op.type = AURA_OP_READ;
  CHECK_EQ(SUBMIT(), 10);
  CHECK_EQ(memcmp(memory, "0123456789", 10), 0);

  n++;
  const struct iovec iov = {memory, 4};
  aura_op_init(&op, AURA_OP_READV);
  op.fd = fd;
  op.iov = &iov;
  op.len = 1;
  op.offset = 6;
  CHECK_EQ(SUBMIT(), 4);
  CHECK_EQ(memcmp(memory, "1234", 4), 0);

  n++;
  op.type = AURA_OP_WRITEV;
  op.offset = 0;
  CHECK_EQ(SUBMIT(), 4);

  for (int type = AURA_OP_FSYNC; type <= AURA_OP_FDATASYNC; type++) {
    n++;
    aura_op_init(&op, (aura_op_type_t)type);
    op.fd = fd;
    CHECK_EQ(SUBMIT(), 0);
    CHECK_EQ(heard[n].type, type);
  }

  n++;
  aura_op_init(&op, AURA_OP_FALLOCATE);
  op.fd = fd;
  op.len = 4096;
  CHECK_EQ(SUBMIT(), 0);
  CHECK_EQ(size_of(fd), 4096);

  n++;
  aura_op_init(&op, AURA_OP_SYNC_FILE_RANGE);
  op.fd = fd;
  op.op_flags = AURA_SYNC_RANGE_WRITE;
  CHECK_EQ(SUBMIT(), 0);

  n++;
  struct statx about;
  memset(&about, 0, sizeof about);
  aura_op_init(&op, AURA_OP_STATX);
  op.fd = fd;
  op.pathname = "";
  op.op_flags = AURA_AT_EMPTY_PATH;
  op.mask = AURA_STATX_SIZE;
  op.statxbuf = &about;
  CHECK_EQ(SUBMIT(), 0);
  CHECK_EQ(about.stx_size, 4096);

  n++;
  aura_op_init(&op, AURA_OP_CLOSE);
  op.fd = fd;
  CHECK_EQ(SUBMIT(), 0);
#undef SUBMIT
  aura_destroy(engine);
}

TEST(operations_as_data_are_checked) {
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(64);
  unsigned char memory[64];
  aura_op_t good;
  aura_op_init(&good, AURA_OP_READ);
  CHECK_EQ(good.struct_size, sizeof good);
  CHECK_EQ(good.fd, -1);
  aura_op_init(NULL, AURA_OP_READ);
  good.fd = fd;
  good.buf = aura_buf(memory);
  good.len = 8;
#define REFUSED(change, reason)                                        \
  do {                                                                 \
    aura_op_t op = good;                                               \
    change;                                                            \
    CHECK_FAILS(aura_submit(engine, &op, hear, NULL), NULL, reason);   \
    CHECK_FAILS(aura_submit_batch(engine, &op, 1, NULL), -1, reason);  \
  } while (0)
  REFUSED(op.struct_size = 0, EINVAL);
  REFUSED(op.struct_size = 8, EINVAL);
  REFUSED(op.struct_size = SIZE_MAX, E2BIG);
  REFUSED(op.type = (aura_op_type_t)15, EINVAL);
  REFUSED(op.type = (aura_op_type_t)1000, EINVAL);
  REFUSED(op.type = AURA_OP_CANCEL, EINVAL);
  REFUSED(op.flags = 4, EINVAL);
  REFUSED(op.flags = UINT32_MAX, EINVAL);
  REFUSED(op.flags = AURA_LINK, EINVAL);
  REFUSED(op.fd = -1, EINVAL);
  REFUSED((op.fd = -1, op.flags = AURA_FIXED_FILE), EINVAL);
  REFUSED(op.buf = aura_buf(NULL), EINVAL);
  REFUSED(op.len = SIZE_MAX, EINVAL);
  REFUSED(op.offset = -1, EINVAL);
  REFUSED(op.type = AURA_OP_READ_FIXED, EINVAL);
  REFUSED(op.type = AURA_OP_READV, EINVAL);
  REFUSED(op.type = AURA_OP_OPENAT, EINVAL);
  REFUSED((op.type = AURA_OP_OPENAT, op.pathname = "/", op.flags = AURA_FIXED_FILE), EINVAL);
  REFUSED((op.type = AURA_OP_CLOSE, op.flags = AURA_FIXED_FILE), EINVAL);
  REFUSED((op.type = AURA_OP_STATX, op.pathname = "/"), EINVAL);
  REFUSED((op.type = AURA_OP_FALLOCATE, op.len = SIZE_MAX), EINVAL);
  REFUSED((op.type = AURA_OP_FTRUNCATE, op.len = SIZE_MAX), EINVAL);
  REFUSED(op._reserved[7] = 1, EINVAL);
#undef REFUSED
  CHECK_FAILS(aura_submit(engine, NULL, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_submit_batch(engine, NULL, 3, NULL), -1, EINVAL);
  CHECK_FAILS(aura_submit_batch(engine, &good, SIZE_MAX, NULL), -1, EINVAL);
  CHECK_EQ(aura_submit_batch(engine, &good, 0, NULL), 0);
  CHECK_EQ(aura_submit_batch(engine, NULL, 0, NULL), 0);
  CHECK_EQ(aura_drain(engine, 1000), 0);
  aura_destroy(engine);
  close(fd);
}

TEST(a_batch_is_submitted_in_order_each_with_its_own_callback) {
  enum { COUNT = 20 };
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(BYTES);
  unsigned char memory[COUNT] = {0};
  heard_t heard[COUNT];
  memset(heard, 0, sizeof heard);
  aura_op_t ops[COUNT];
  aura_request_t *requests[COUNT + 1];
  requests[COUNT] = FORGED;
  for (int i = 0; i < COUNT; i++) {
    aura_op_init(&ops[i], AURA_OP_READ);
    ops[i].fd = fd;
    ops[i].buf = aura_buf(&memory[i]);
    ops[i].len = 1;
    ops[i].offset = 10 * i;
    ops[i].callback = hear;
    ops[i].user_data = &heard[i];
  }
  CHECK_EQ(aura_submit_batch(engine, ops, COUNT, requests), COUNT);
  CHECK(requests[COUNT] == FORGED);
  CHECK_EQ(aura_drain(engine, 10000), COUNT);
  for (int i = 0; i < COUNT; i++) {
    CHECK_EQ(heard[i].calls, 1);
    CHECK_EQ(heard[i].result, 1);
    CHECK(heard[i].req == requests[i]);
    CHECK_EQ(memory[i], 10 * i % 251);
  }
  /* One that makes no sense refuses all. */
  ops[COUNT - 1].fd = -1;
  CHECK_FAILS(aura_submit_batch(engine, ops, COUNT, requests), -1, EINVAL);
  CHECK_EQ(aura_pending_count(engine), 0);
  ops[COUNT - 1].fd = fd;
  ops[3].struct_size = sizeof ops[3] - 8;
  CHECK_FAILS(aura_submit_batch(engine, ops, COUNT, requests), -1, EINVAL);
  aura_destroy(engine);
  close(fd);
}

TEST(a_batch_above_the_limit_is_submitted_in_part) {
  enum { COUNT = 40, LIMIT = 16 };
  int pipe_fds[2];
  CHECK_EQ(pipe(pipe_fds), 0);
  aura_engine_t *engine = engine_of(1, LIMIT);
  unsigned char memory[COUNT];
  aura_op_t ops[COUNT];
  aura_request_t *requests[COUNT];
  for (int i = 0; i < COUNT; i++) {
    aura_op_init(&ops[i], AURA_OP_READ);
    ops[i].fd = pipe_fds[0];
    ops[i].buf = aura_buf(&memory[i]);
    ops[i].len = 1;
  }
  errno = 0;
  const int submitted = aura_submit_batch(engine, ops, COUNT, requests);
  CHECK_EQ(errno, EAGAIN);
  CHECK_EQ(submitted, LIMIT);
  CHECK(requests[LIMIT - 1] != NULL);
  CHECK(requests[LIMIT] == NULL && requests[COUNT - 1] == NULL);
  CHECK_FAILS(aura_submit_batch(engine, ops + submitted, COUNT - LIMIT, NULL), -1, EAGAIN);
  CHECK_FAILS(aura_read(engine, pipe_fds[0], aura_buf(memory), 1, 0, NULL, NULL), NULL, EAGAIN);
  close(pipe_fds[1]); /* The reads end. */
  CHECK_EQ(aura_drain(engine, 10000), LIMIT);
  aura_destroy(engine);
  close(pipe_fds[0]);
}

static int order, written_at, synced_at;

static void note_write(aura_request_t *req, ssize_t result, void *user_data) {
  hear(req, result, user_data);
  written_at = ++order;
}

static void note_sync(aura_request_t *req, ssize_t result, void *user_data) {
  hear(req, result, user_data);
  synced_at = ++order;
}

TEST(linked_operations_wait_for_each_other) {
  aura_engine_t *engine = small_engine();
  const int fd = scratch_file();
  char text[] = "linked";
  for (int i = 0; i < 50; i++) {
    heard_t written = {0}, synced = {0};
    aura_op_t ops[2];
    aura_op_init(&ops[0], AURA_OP_WRITE);
    ops[0].fd = fd;
    ops[0].buf = aura_buf(text);
    ops[0].len = 6;
    ops[0].offset = 6 * i;
    ops[0].flags = AURA_LINK;
    ops[0].callback = note_write;
    ops[0].user_data = &written;
    aura_op_init(&ops[1], AURA_OP_FDATASYNC);
    ops[1].fd = fd;
    ops[1].callback = note_sync;
    ops[1].user_data = &synced;
    aura_request_t *requests[2];
    CHECK_EQ(aura_submit_batch(engine, ops, 2, requests), 2);
    CHECK_EQ(aura_drain(engine, 10000), 2);
    CHECK_EQ(written.result, 6);
    CHECK_EQ(synced.result, 0);
    CHECK(written.req == requests[0] && synced.req == requests[1]);
    CHECK(written_at < synced_at);
    /* A failure cancels what waits for it, and nothing else. */
    heard_t failed = {0}, cancelled = {0}, other = {0};
    aura_op_t chain[3] = {ops[0], ops[1], ops[1]};
    chain[0].fd = 100000;
    chain[0].user_data = &failed;
    chain[1].user_data = &cancelled;
    chain[2].user_data = &other;
    CHECK_EQ(aura_submit_batch(engine, chain, 3, NULL), 3);
    CHECK_EQ(aura_drain(engine, 10000), 3);
    CHECK_EQ(failed.result, -EBADF);
    CHECK_EQ(cancelled.result, -ECANCELED);
    CHECK_EQ(other.result, 0);
  }
  aura_op_t last;
  aura_op_init(&last, AURA_OP_FSYNC);
  last.fd = fd;
  last.flags = AURA_LINK;
  CHECK_FAILS(aura_submit_batch(engine, &last, 1, NULL), -1, EINVAL);
  /* Longer than the queue: not at all. */
  enum { LONG = 100 };
  static aura_op_t ops[LONG];
  for (int i = 0; i < LONG; i++) {
    ops[i] = last;
    ops[i].flags = i + 1 < LONG ? AURA_LINK : 0;
  }
  CHECK_FAILS(aura_submit_batch(engine, ops, LONG, NULL), -1, EINVAL);
  CHECK_EQ(aura_pending_count(engine), 0);
  aura_destroy(engine);
  close(fd);
}

TEST(structs_of_operations_may_be_longer) {
  struct {
    aura_op_t known;
    uint64_t beyond[2];
  } ops[3];
  memset(ops, 0, sizeof ops);
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(64);
  heard_t heard[3] = {{0}, {0}, {0}};
  for (int i = 0; i < 3; i++) {
    aura_op_init(&ops[i].known, AURA_OP_FSYNC);
    ops[i].known.struct_size = sizeof ops[i];
    ops[i].known.fd = fd;
    ops[i].known.callback = hear;
    ops[i].known.user_data = &heard[i];
  }
  CHECK_EQ(aura_submit_batch(engine, &ops[0].known, 3, NULL), 3);
  CHECK_EQ(aura_drain(engine, 10000), 3);
  CHECK_EQ(heard[2].result, 0);
  ops[1].beyond[1] = 1;
  CHECK_FAILS(aura_submit_batch(engine, &ops[0].known, 3, NULL), -1, E2BIG);
  aura_destroy(engine);
  close(fd);
}

TEST(a_close_comes_after_what_was_submitted_before) {
  enum { ROUNDS = 30, KINDS = 5 };
  aura_engine_t *engine = small_engine();
  for (int round = 0; round < ROUNDS * KINDS; round++) {
    const int fd = filled_file(4096);
    heard_t before = {0}, closed = {0};
    aura_request_t *req = NULL;
    switch (round % KINDS) {
      case 0: req = aura_fsync(engine, fd, AURA_FSYNC_DEFAULT, hear, &before); break;
      case 1: req = aura_fsync(engine, fd, AURA_FSYNC_DATASYNC, hear, &before); break;
      case 2: req = aura_fallocate(engine, fd, AURA_FALLOC_DEFAULT, 0, 8192, hear, &before); break;
      case 3: req = aura_ftruncate(engine, fd, 100, hear, &before); break;
      default: req = aura_sync_file_range(engine, fd, 0, 0, AURA_SYNC_RANGE_WRITE, hear, &before);
    }
    if (req == NULL && errno == ENOSYS) { /* ftruncate before Linux 6.9. */
      close(fd);
      continue;
    }
    CHECK(req != NULL);
    req = aura_close(engine, fd, hear, &closed);
    CHECK(req != NULL);
    CHECK(aura_request_pending(req));
    CHECK_EQ(aura_pending_count(engine), 2);
    CHECK_EQ(aura_drain(engine, 10000), 2);
    CHECK_EQ(before.result, 0);
    CHECK_EQ(closed.result, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
  }
  aura_destroy(engine);
}
