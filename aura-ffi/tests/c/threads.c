/* Several threads: submitting, waiting, stopping, the pool, one-threaded engines. */
#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, OPERATIONS = 2000, BYTES = 1 << 16 };

typedef struct {
  aura_engine_t *engine;
  int fd;
  atomic_int *done, *wrong;
  unsigned seed;
} worker_t;

typedef struct {
  worker_t *worker;
  off_t offset;
  unsigned char memory[64];
} job_t;

static void job_done(aura_request_t *req, ssize_t result, void *user_data) {
  job_t *job = user_data;
  (void)req;
  if (result != (ssize_t)sizeof job->memory || !is_filled(job->memory, (size_t)job->offset, sizeof job->memory)) {
    atomic_fetch_add(job->worker->wrong, 1);
  }
  atomic_fetch_add(job->worker->done, 1);
  free(job);
}

static void *work(void *argument) {
  worker_t *worker = argument;
  for (int i = 0; i < OPERATIONS; i++) {
    job_t *job = calloc(1, sizeof *job);
    if (job == NULL) {
      abort();
    }
    job->worker = worker;
    worker->seed = worker->seed * 1103515245u + 12345u;
    job->offset = (off_t)(worker->seed % (BYTES - sizeof job->memory));
    while (aura_read(worker->engine, worker->fd, aura_buf(job->memory), sizeof job->memory, job->offset, job_done,
                     job) == NULL) {
      if (errno != EAGAIN) {
        atomic_fetch_add(worker->wrong, 1);
        free(job);
        return NULL;
      }
      usleep(50); /* The main thread makes room. */
    }
  }
  return NULL;
}

static void submit_from_threads(aura_engine_t *engine) {
  atomic_int done = 0, wrong = 0;
  const int fd = filled_file(BYTES);
  pthread_t threads[THREADS];
  worker_t workers[THREADS];
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker_t){engine, fd, &done, &wrong, (unsigned)i + 1};
    CHECK_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  while (atomic_load(&done) < THREADS * OPERATIONS && atomic_load(&wrong) == 0) {
    CHECK(aura_wait(engine, 100) >= 0 || errno == ETIMEDOUT);
  }
  for (int i = 0; i < THREADS; i++) {
    CHECK_EQ(pthread_join(threads[i], NULL), 0);
  }
  CHECK(aura_drain(engine, 10000) >= 0);
  CHECK_EQ(atomic_load(&wrong), 0);
  CHECK_EQ(atomic_load(&done), THREADS * OPERATIONS);
  close(fd);
}

TEST(threads_submit_to_one_ring) {
  aura_engine_t *engine = shared_engine();
  submit_from_threads(engine);
  aura_destroy(engine);
}

TEST(threads_submit_to_several_rings_in_every_mode) {
  static const aura_ring_select_t modes[] = {AURA_SELECT_ADAPTIVE, AURA_SELECT_CPU_LOCAL, AURA_SELECT_ROUND_ROBIN};
  for (size_t i = 0; i < 3; i++) {
    aura_options_t options;
    aura_options_init(&options);
    options.ring_count = 3;
    options.queue_depth = 32;
    options.ring_select = modes[i];
    aura_engine_t *engine = aura_create_with_options(&options);
    CHECK(engine != NULL);
    spare_other_threads(engine);
    submit_from_threads(engine);
    aura_stats_t stats;
    CHECK_EQ(aura_get_stats(engine, &stats, sizeof stats), 0);
    CHECK_EQ(stats.ops_completed, THREADS * OPERATIONS);
    CHECK_EQ(stats.bytes_transferred, THREADS * OPERATIONS * 64);
    int64_t by_ring = 0;
    for (int ring = 0; ring < 3; ring++) {
      aura_ring_stats_t one;
      CHECK_EQ(aura_get_ring_stats(engine, ring, &one, sizeof one), 0);
      by_ring += one.ops_completed;
      CHECK(one.peak_in_flight <= one.queue_depth);
      CHECK(modes[i] != AURA_SELECT_ROUND_ROBIN || one.ops_completed > OPERATIONS);
    }
    CHECK_EQ(by_ring, stats.ops_completed);
    aura_destroy(engine);
  }
}

/* ---- Running and stopping --------------------------------------------------------------------------- */

static void *run(void *engine) {
  aura_run(engine);
  return NULL;
}

static atomic_int counted;

static void count(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req, (void)result, (void)user_data;
  atomic_fetch_add(&counted, 1);
}

TEST(an_event_loop_on_a_thread_runs_until_it_is_stopped) {
  aura_engine_t *engine = shared_engine();
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, run, engine), 0);
  const int fd = filled_file(64);
  static unsigned char byte;
  atomic_store(&counted, 0);
  for (int i = 0; i < 50; i++) {
    CHECK(aura_read(engine, fd, aura_buf(&byte), 1, 0, count, NULL) != NULL);
    usleep(500); /* It sleeps in between, and has to be reached. */
  }
  while (atomic_load(&counted) < 50) {
    usleep(1000);
  }
  aura_stop(engine);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  aura_destroy(engine);
  close(fd);
}

static void stop_inside(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req, (void)result;
  aura_stop(user_data);
}

TEST(a_callback_stops_the_event_loop_and_the_rest_is_delivered) {
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(64);
  static unsigned char byte;
  heard_t heard = {0};
  CHECK(aura_read(engine, fd, aura_buf(&byte), 1, 0, stop_inside, engine) != NULL);
  CHECK(aura_read(engine, fd, aura_buf(&byte), 1, 0, hear, &heard) != NULL);
  aura_run(engine);
  CHECK_EQ(heard.calls, 1);
  aura_destroy(engine);
  close(fd);
}

TEST(destroying_wakes_a_thread_that_should_not_be_there) {
  for (int i = 0; i < 3; i++) {
    aura_engine_t *engine = i == 0 ? shared_engine() : engine_of(2, 16);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, run, engine), 0);
    usleep(20000);
    aura_destroy(engine);
    CHECK_EQ(pthread_join(thread, NULL), 0);
  }
}

/* ---- The pool --------------------------------------------------------------------------------------- */

static void *allocate(void *engine) {
  void **buffers = calloc(64, sizeof *buffers);
  if (buffers == NULL) {
    abort();
  }
  for (int i = 0; i < 64; i++) {
    buffers[i] = aura_buffer_alloc(engine, (size_t)1 << (9 + i % 6));
    if (buffers[i] != NULL) {
      memset(buffers[i], i, 512);
    }
  }
  return buffers;
}

TEST(buffers_of_one_thread_are_freed_by_another) {
  aura_engine_t *engine = small_engine();
  for (int round = 0; round < 8; round++) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
      CHECK_EQ(pthread_create(&threads[i], NULL, allocate, engine), 0);
    }
    for (int i = 0; i < THREADS; i++) {
      void *result;
      CHECK_EQ(pthread_join(threads[i], &result), 0);
      void **buffers = result;
      for (int j = 0; j < 64; j++) {
        CHECK(buffers[j] != NULL);
        CHECK_EQ(*(unsigned char *)buffers[j], j);
        aura_buffer_free(engine, buffers[j]);
      }
      free(buffers);
    }
  }
  aura_buffer_stats_t stats;
  CHECK_EQ(aura_get_buffer_stats(engine, &stats, sizeof stats), 0);
  CHECK_EQ(stats.total_buffers, 0);
  CHECK_EQ(stats.total_allocated_bytes, 0);
  CHECK(stats.shard_count > 0);
  aura_destroy(engine);
}

/* ---- One thread only --------------------------------------------------------------------------------- */

static void *intrude(void *engine) {
  static unsigned char byte;
  errno = 0;
  const bool refused = aura_read(engine, 0, aura_buf(&byte), 1, 0, NULL, NULL) == NULL && errno == EINVAL &&
                       aura_poll(engine) == -1 && errno == EINVAL;
  return refused ? engine : NULL;
}

TEST(an_engine_for_one_thread_has_one_owner) {
  aura_options_t options;
  aura_options_init(&options);
  options.single_thread = true;
  options.ring_count = 1;
  aura_engine_t *engine = aura_create_with_options(&options);
  CHECK(engine != NULL);
  const int fd = filled_file(64);
  unsigned char byte = 0;
  heard_t heard = {0};
  CHECK_EQ(outcome(engine, aura_read(engine, fd, aura_buf(&byte), 1, 9, hear, &heard), &heard), 1);
  CHECK_EQ(byte, 9);
  pthread_t thread;
  void *refused;
  CHECK_EQ(pthread_create(&thread, NULL, intrude, engine), 0);
  CHECK_EQ(pthread_join(thread, &refused), 0);
  CHECK(refused == engine);
  aura_destroy(engine);
  close(fd);
}
