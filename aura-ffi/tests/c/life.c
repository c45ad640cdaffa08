/* Creation, options, the end of an engine; names of engines that are none. */
#include "harness.h"

#include <pthread.h>

TEST(an_engine_is_created_and_destroyed) {
  aura_engine_t *engine = aura_create();
  CHECK(engine != NULL);
  CHECK(aura_get_ring_count(engine) >= 1);
  CHECK_EQ(aura_get_fatal_error(engine), 0);
  CHECK_EQ(aura_pending_count(engine), 0);
  aura_destroy(engine);
  aura_destroy(NULL);
}

TEST(options_have_the_documented_defaults) {
  aura_options_t options;
  memset(&options, 0xff, sizeof options);
  aura_options_init(&options);
  CHECK_EQ(options.struct_size, sizeof options);
  CHECK_EQ(options.queue_depth, 1024);
  CHECK_EQ(options.ring_count, 0);
  CHECK_EQ(options.initial_in_flight, 256);
  CHECK_EQ(options.min_in_flight, 4);
  CHECK(options.max_p99_latency_ms <= 0.0 && options.max_p99_latency_ms >= 0.0);
  CHECK_EQ(options.buffer_alignment, sysconf(_SC_PAGESIZE));
  CHECK(!options.disable_adaptive && !options.enable_sqpoll && !options.single_thread);
  CHECK_EQ(options.sqpoll_idle_ms, 1000);
  CHECK_EQ(options.ring_select, AURA_SELECT_ADAPTIVE);
  for (size_t i = 0; i < sizeof options._reserved / sizeof options._reserved[0]; i++) {
    CHECK_EQ(options._reserved[i], 0);
  }
  aura_options_init(NULL);
}

static aura_options_t defaults(void) {
  aura_options_t options;
  aura_options_init(&options);
  options.ring_count = 1;
  return options;
}

TEST(every_setting_is_accepted_at_its_edges) {
  static const struct { int depth, initial, min; size_t alignment; double p99; } edges[] = {
      {1, 256, 4, 0, 0.0},     {1, 1, 1, 1, 0.001},      {32768, 0, 0, 4096, 1000.0},
      {100, 128, 1, 65536, 5}, {1024, 1, 4, 4096, 0.0},  {64, 256, 4, 4096, 0.0},
  };
  for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
    aura_options_t options = defaults();
    options.queue_depth = edges[i].depth;
    options.initial_in_flight = edges[i].initial;
    options.min_in_flight = edges[i].min;
    options.buffer_alignment = edges[i].alignment;
    options.max_p99_latency_ms = edges[i].p99;
    options.ring_select = i % 2 == 0 ? AURA_SELECT_CPU_LOCAL : AURA_SELECT_ROUND_ROBIN;
    aura_engine_t *engine = aura_create_with_options(&options);
    CHECK(engine != NULL);
    aura_destroy(engine);
  }
}

TEST(settings_that_make_no_sense_are_refused) {
  CHECK_FAILS(aura_create_with_options(NULL), NULL, EINVAL);
#define REFUSED(field, value)                                      \
  do {                                                             \
    aura_options_t options = defaults();                           \
    options.field = (value);                                       \
    CHECK_FAILS(aura_create_with_options(&options), NULL, EINVAL); \
  } while (0)
  REFUSED(queue_depth, 0);
  REFUSED(queue_depth, -1);
  REFUSED(queue_depth, 32769);
  REFUSED(queue_depth, 2147483647);
  REFUSED(ring_count, -1);
  REFUSED(ring_count, 1025);
  REFUSED(initial_in_flight, -1);
  REFUSED(initial_in_flight, 1025);
  REFUSED(min_in_flight, -5);
  REFUSED(min_in_flight, 2000);
  REFUSED(max_p99_latency_ms, -1.0);
  REFUSED(max_p99_latency_ms, 1e300);
  REFUSED(max_p99_latency_ms, (double)__builtin_nanf(""));
  REFUSED(buffer_alignment, 3);
  REFUSED(buffer_alignment, SIZE_MAX);
  REFUSED(sqpoll_idle_ms, -1);
  REFUSED(_reserved[0], 1);
  REFUSED(_reserved[6], 0x80000000u);
  REFUSED(struct_size, 0);
  REFUSED(struct_size, 1);
#undef REFUSED
  aura_options_t options = defaults();
  const int select = 77;
  memcpy(&options.ring_select, &select, sizeof select);
  CHECK_FAILS(aura_create_with_options(&options), NULL, EINVAL);
  memset(&options, 0, sizeof options);
  CHECK_FAILS(aura_create_with_options(&options), NULL, EINVAL);
  memset(&options, 0xa5, sizeof options); /* Not initialised. */
  CHECK_FAILS(aura_create_with_options(&options), NULL, E2BIG);
}

TEST(a_bool_of_any_bits_is_true) {
  aura_options_t options = defaults();
  memset(&options.disable_adaptive, 0xfe, sizeof options.disable_adaptive);
  aura_engine_t *engine = aura_create_with_options(&options);
  CHECK(engine != NULL);
  aura_destroy(engine);
}

TEST(options_may_be_shorter_and_longer_than_the_librarys) {
  aura_options_t options = defaults();
  options.ring_select = AURA_SELECT_ROUND_ROBIN;
  options.struct_size = offsetof(aura_options_t, ring_count);
  options.ring_count = -1; /* Beyond what the struct says it has. */
  aura_engine_t *engine = aura_create_with_options(&options);
  CHECK(engine != NULL);
  aura_destroy(engine);

  struct {
    aura_options_t known;
    unsigned char beyond[64];
  } newer;
  memset(&newer, 0, sizeof newer);
  newer.known = defaults();
  newer.known.struct_size = sizeof newer;
  engine = aura_create_with_options(&newer.known);
  CHECK(engine != NULL);
  aura_destroy(engine);
  newer.beyond[63] = 1;
  CHECK_FAILS(aura_create_with_options(&newer.known), NULL, E2BIG);
  newer.known.struct_size = SIZE_MAX;
  CHECK_FAILS(aura_create_with_options(&newer.known), NULL, E2BIG);
}

/* Every function that takes an engine, given what is none. */
static void check_no_engine(aura_engine_t *none) {
  static unsigned char memory[512];
  struct iovec iov = {memory, sizeof memory};
  struct statx statxbuf;
  aura_op_t op;
  aura_op_init(&op, AURA_OP_FSYNC);
  aura_stats_t stats;
  aura_ring_stats_t ring_stats;
  aura_buffer_stats_t buffer_stats;
  aura_histogram_t histogram;
  const int fd = 0;
  CHECK_FAILS(aura_read(none, 0, aura_buf(memory), 1, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_write(none, 0, aura_buf(memory), 1, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_readv(none, 0, &iov, 1, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_writev(none, 0, &iov, 1, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_fsync(none, 0, AURA_FSYNC_DEFAULT, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_openat(none, AT_FDCWD, "/", AURA_O_RDONLY, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_close(none, 1000, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_statx(none, AT_FDCWD, "/", 0, AURA_STATX_SIZE, &statxbuf, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_fallocate(none, 0, 0, 0, 1, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_ftruncate(none, 0, 1, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_sync_file_range(none, 0, 0, 1, 0, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_submit(none, &op, hear, NULL), NULL, EINVAL);
  CHECK_FAILS(aura_submit_batch(none, &op, 1, NULL), -1, EINVAL);
  CHECK_FAILS(aura_cancel(none, HANDLE_FORGED), -1, EINVAL);
  CHECK_FAILS(aura_get_poll_fd(none), -1, EINVAL);
  CHECK_FAILS(aura_poll(none), -1, EINVAL);
  CHECK_FAILS(aura_wait(none, 0), -1, EINVAL);
  CHECK_FAILS(aura_wait(none, -1), -1, EINVAL);
  CHECK_FAILS(aura_drain(none, -1), -1, EINVAL);
  CHECK_FAILS(aura_flush(none), -1, EINVAL);
  CHECK_FAILS(aura_pending_count(none), -1, EINVAL);
  CHECK_FAILS(aura_buffer_alloc(none, 4096), NULL, EINVAL);
  CHECK_FAILS(aura_register_buffers(none, &iov, 1), -1, EINVAL);
  CHECK_FAILS(aura_register_files(none, &fd, 1), -1, EINVAL);
  CHECK_FAILS(aura_update_file(none, 0, 0), -1, EINVAL);
  CHECK_FAILS(aura_unregister(none, AURA_REG_BUFFERS), -1, EINVAL);
  CHECK_FAILS(aura_request_unregister(none, AURA_REG_FILES), -1, EINVAL);
  CHECK_FAILS(aura_get_stats(none, &stats, sizeof stats), -1, EINVAL);
  CHECK_FAILS(aura_get_ring_stats(none, 0, &ring_stats, sizeof ring_stats), -1, EINVAL);
  CHECK_FAILS(aura_get_histogram(none, 0, &histogram, sizeof histogram), -1, EINVAL);
  CHECK_FAILS(aura_get_buffer_stats(none, &buffer_stats, sizeof buffer_stats), -1, EINVAL);
  CHECK_FAILS(aura_get_fatal_error(none), -1, EINVAL);
  CHECK_FAILS(aura_set_max_p99_latency(none, 1.0), -1, EINVAL);
  CHECK_FAILS(aura_set_min_in_flight(none, 1), -1, EINVAL);
  CHECK_FAILS(aura_set_batch_threshold(none, 1), -1, EINVAL);
  CHECK_EQ(aura_get_ring_count(none), 0);
  aura_run(none);
  aura_stop(none);
  aura_buffer_free(none, memory);
  aura_buffer_free(none, NULL);
}

TEST(null_is_no_engine) { check_no_engine(NULL); }

TEST(forged_pointers_are_no_engine) {
  check_no_engine(FORGED);
  check_no_engine((aura_engine_t *)(void *)&errno);
  check_no_engine((aura_engine_t *)8);
  check_no_engine((aura_engine_t *)UINTPTR_MAX);
  aura_destroy(FORGED);
  aura_destroy((aura_engine_t *)(void *)&errno);
}

TEST(a_destroyed_engine_is_no_engine) {
  aura_engine_t *gone = small_engine();
  aura_destroy(gone);
  check_no_engine(gone);
  aura_engine_t *other = small_engine();
  check_no_engine(gone);
  aura_destroy(gone); /* Does nothing to the other. */
  CHECK_EQ(aura_get_ring_count(other), 1);
  aura_destroy(other);
}

TEST(many_engines_live_side_by_side) {
  enum { MOST = 40 };
  const int count = under_valgrind() ? 3 : MOST;
  aura_engine_t *engines[MOST];
  const int fd = filled_file(4096);
  for (int i = 0; i < count; i++) {
    engines[i] = engine_of(1, 8);
    for (int j = 0; j < i; j++) {
      CHECK(engines[i] != engines[j]);
    }
  }
  for (int i = 0; i < count; i++) {
    heard_t heard = {0};
    unsigned char byte = 0;
    CHECK_EQ(outcome(engines[i], aura_read(engines[i], fd, aura_buf(&byte), 1, i, hear, &heard), &heard), 1);
    CHECK_EQ(byte, i);
    aura_destroy(engines[i]);
  }
  close(fd);
}

TEST(destroying_delivers_what_is_in_flight) {
  enum { COUNT = 50 };
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(65536);
  static unsigned char memory[COUNT][512];
  heard_t heard[COUNT];
  memset(heard, 0, sizeof heard);
  for (int i = 0; i < COUNT; i++) {
    CHECK(aura_read(engine, fd, aura_buf(memory[i]), 512, i * 512, hear, &heard[i]) != NULL);
  }
  aura_destroy(engine);
  for (int i = 0; i < COUNT; i++) {
    CHECK_EQ(heard[i].calls, 1);
    CHECK_EQ(heard[i].result, 512);
    CHECK(is_filled(memory[i], (size_t)i * 512, 512));
  }
  close(fd);
}

static aura_engine_t *victim;
static int refused;

/* In a callback of an engine that is being destroyed: nothing new, but everything can be asked. */
static void look_around(aura_request_t *req, ssize_t result, void *user_data) {
  hear(req, result, user_data);
  CHECK_FAILS(aura_cancel(victim, req), -1, ESHUTDOWN);
  CHECK_FAILS(aura_fsync(victim, 0, 0, NULL, NULL), NULL, ESHUTDOWN);
  CHECK_FAILS(aura_wait(victim, 0), -1, EDEADLK);
  CHECK(!aura_request_pending(req));
  CHECK_EQ(aura_request_op_type(req), AURA_OP_READ);
  CHECK(aura_request_user_data(req) == user_data);
  CHECK(aura_pending_count(victim) >= 0);
  void *buffer = aura_buffer_alloc(victim, 512);
  CHECK(buffer != NULL);
  aura_buffer_free(victim, buffer);
}

typedef struct {
  int fd;
  unsigned char byte[2];
  heard_t heard[2];
} two_reads_t;

static void *submit_two_reads(void *reads) {
  two_reads_t *two = reads;
  for (int i = 0; i < 2; i++) {
    CHECK(aura_read(victim, two->fd, aura_buf(&two->byte[i]), 1, i, look_around, &two->heard[i]) != NULL);
  }
  return NULL;
}

TEST(callbacks_during_destruction_find_their_engine) {
  const int fd = filled_file(4096);
  for (int round = 0; round < 8; round++) {
    aura_options_t options = defaults();
    options.single_thread = round % 2 == 1;
    options.ring_count = 1 + round / 4;
    victim = aura_create_with_options(&options);
    CHECK(victim != NULL);
    two_reads_t two = {.fd = fd};
    if (round / 2 % 2 == 0) {
      submit_two_reads(&two);
    } else { /* The owner of an engine for one thread is gone when it is destroyed. */
      pthread_t owner;
      CHECK_EQ(pthread_create(&owner, NULL, submit_two_reads, &two), 0);
      CHECK_EQ(pthread_join(owner, NULL), 0);
    }
    aura_destroy(victim);
    for (int i = 0; i < 2; i++) {
      CHECK_EQ(two.heard[i].calls, 1);
      CHECK_EQ(two.heard[i].result, 1);
      CHECK_EQ(two.byte[i], i);
    }
    check_no_engine(victim);
  }
  close(fd);
}

static void destroy_inside(aura_request_t *req, ssize_t result, void *user_data) {
  hear(req, result, user_data);
  aura_destroy(victim);
  unsigned char byte;
  refused += aura_read(victim, 0, aura_buf(&byte), 1, 0, NULL, NULL) == NULL && errno == ESHUTDOWN;
}

TEST(destroying_in_a_callback_takes_effect_when_the_call_returns) {
  const int fd = filled_file(4096);
  unsigned char byte = 0;
  for (int round = 0; round < 4; round++) {
    victim = engine_of(1 + round % 2, 16);
    heard_t first = {0}, second = {0};
    refused = 0;
    CHECK(aura_read(victim, fd, aura_buf(&byte), 1, 0, destroy_inside, &first) != NULL);
    CHECK(aura_read(victim, fd, aura_buf(&byte), 1, 1, hear, &second) != NULL);
    if (round < 2) {
      CHECK(aura_wait(victim, 5000) >= 1);
    } else {
      aura_run(victim);
    }
    CHECK_EQ(first.calls, 1);
    CHECK_EQ(second.calls, 1);
    CHECK_EQ(refused, 1);
    check_no_engine(victim);
  }
  close(fd);
}

TEST(nothing_is_left_of_destroyed_engines) {
  int before = dup(0);
  CHECK(before >= 0);
  close(before);
  for (int i = 0; i < 20; i++) {
    aura_engine_t *engine = engine_of(1 + i % 3, 32);
    CHECK(aura_get_poll_fd(engine) >= 0);
    CHECK(aura_buffer_alloc(engine, 4096) != NULL);
    aura_destroy(engine);
  }
  int after = dup(0);
  CHECK_EQ(after, before); /* The lowest free descriptor is still the same. */
  close(after);
}

TEST(versions_agree) {
  CHECK_STR(aura_version(), AURA_VERSION_STRING);
  CHECK_EQ(aura_version_int(), AURA_VERSION);
  CHECK_EQ(AURA_VERSION, AURA_VERSION_MAJOR * 10000 + AURA_VERSION_MINOR * 100 + AURA_VERSION_PATCH);
}

TEST(constants_are_the_platforms) {
  CHECK_EQ(AURA_O_DIRECT, O_DIRECT);
  CHECK_EQ(AURA_O_CREAT, O_CREAT);
  CHECK_EQ(AURA_O_RDWR | AURA_O_TRUNC | AURA_O_APPEND, O_RDWR | O_TRUNC | O_APPEND);
  CHECK_EQ(AURA_AT_SYMLINK_NOFOLLOW, AT_SYMLINK_NOFOLLOW);
  CHECK_EQ(AURA_AT_EMPTY_PATH, AT_EMPTY_PATH);
  CHECK_EQ(AURA_STATX_SYMLINK_NOFOLLOW, AURA_AT_SYMLINK_NOFOLLOW);
  CHECK_EQ(AURA_STATX_EMPTY_PATH, AURA_AT_EMPTY_PATH);
  CHECK_EQ(AURA_STATX_MODE, STATX_MODE);
  CHECK_EQ(AURA_STATX_NLINK, STATX_NLINK);
  CHECK_EQ(AURA_STATX_UID | AURA_STATX_GID, STATX_UID | STATX_GID);
  CHECK_EQ(AURA_STATX_ATIME | AURA_STATX_MTIME | AURA_STATX_CTIME, STATX_ATIME | STATX_MTIME | STATX_CTIME);
  CHECK_EQ(AURA_STATX_SIZE | AURA_STATX_BLOCKS, STATX_SIZE | STATX_BLOCKS);
  CHECK_EQ(AURA_STATX_ALL, STATX_ALL);
  CHECK_EQ(AURA_FALLOC_KEEP_SIZE, FALLOC_FL_KEEP_SIZE);
  CHECK_EQ(AURA_FALLOC_PUNCH_HOLE, FALLOC_FL_PUNCH_HOLE);
  CHECK_EQ(AURA_FALLOC_COLLAPSE, FALLOC_FL_COLLAPSE_RANGE);
  CHECK_EQ(AURA_FALLOC_ZERO, FALLOC_FL_ZERO_RANGE);
  CHECK_EQ(AURA_FALLOC_INSERT, FALLOC_FL_INSERT_RANGE);
  CHECK_EQ(AURA_SYNC_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WAIT_BEFORE);
  CHECK_EQ(AURA_SYNC_RANGE_WRITE, SYNC_FILE_RANGE_WRITE);
  CHECK_EQ(AURA_SYNC_RANGE_WAIT_AFTER, SYNC_FILE_RANGE_WAIT_AFTER);
}
