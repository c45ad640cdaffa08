// The rows c-callback: a function and a pointer to a struct per operation, as a C program would do it.
#include "job.h"

#include <aura.h>

#include <errno.h>
#include <stdlib.h>

// Longest wait for a completion before the loop looks at its watch again.
enum { wait_ms = 100 };

struct callbacks;

// One operation in flight: what `user_data` points to.
struct read_job {
  struct callbacks *row;
  void *buffer;
  uint64_t offset;
  // The next of those without an operation, because there was no room.
  struct read_job *next;
};

// A submission of something that does nothing; the interface has none, so Rust passes one.
typedef aura_request_t *(*nop_t)(aura_engine_t *engine, aura_callback_t callback, void *user_data);

struct callbacks {
  aura_engine_t *engine;
  int file;
  nop_t nop;
  struct job job;
  struct read_job *jobs;
  size_t depth;
  struct read_job *idle;
  size_t in_flight;
  int64_t operations;
  bool is_over;
};

static void completed(aura_request_t *request, ssize_t result, void *user_data);

static void submit(struct callbacks *row, struct read_job *job) {
  job->offset = job_draw(&row->job);
  row->in_flight++;
  aura_request_t *request =
      row->file < 0 ? row->nop(row->engine, completed, job)
                    : aura_read(row->engine, row->file, aura_buf(job->buffer), block_bytes, (off_t)job->offset,
                                completed, job);
  if (request == NULL) {
    row->in_flight--;
    if (errno == EAGAIN) {
      job->next = row->idle;
      row->idle = job;
    } else {
      row->job.host->fail(row->job.host->context, job->offset, -errno);
      row->is_over = true;
    }
  }
}

static void completed(aura_request_t *request, ssize_t result, void *user_data) {
  (void)request;
  struct read_job *job = user_data;
  struct callbacks *row = job->row;
  row->in_flight--;
  row->operations++;
  if (row->file >= 0 && !job_check(&row->job, job->offset, job->buffer, result)) {
    row->is_over = true;
  }
  if (!row->is_over) {
    submit(row, job);
  }
}

void bench_callbacks_delete(struct callbacks *row) {
  if (row != NULL) {
    row->is_over = true;
    aura_destroy(row->engine); // Its buffers go with it.
    free(row->jobs);
    free(row);
  }
}

// Null if there can be no engine.
struct callbacks *bench_callbacks_new(const struct setup *setup, nop_t nop) {
  struct callbacks *row = calloc(1, sizeof *row);
  if (row == NULL) {
    return NULL;
  }
  aura_options_t options;
  aura_options_init(&options);
  // As the rows in Rust.
  options.disable_adaptive = true;
  options.initial_in_flight = 0; // No limit.
  options.single_thread = setup->is_single;
  options.ring_count = setup->is_single ? 1 : 0;
  row->engine = aura_create_with_options(&options);
  row->file = setup->file;
  row->nop = nop;
  row->job = job_new(setup);
  row->depth = setup->depth;
  row->jobs = calloc(setup->depth, sizeof *row->jobs);
  bool is_whole = row->engine != NULL && row->jobs != NULL;
  for (size_t i = 0; is_whole && i < row->depth; i++) {
    row->jobs[i].row = row;
    row->jobs[i].buffer = aura_buffer_alloc(row->engine, block_bytes);
    is_whole = row->jobs[i].buffer != NULL;
  }
  if (!is_whole) {
    bench_callbacks_delete(row);
    return NULL;
  }
  return row;
}

// Operations, or -1 if the engine cannot go on.
int64_t bench_callbacks_turn(struct callbacks *row, const struct host *host) {
  row->job.host = host;
  row->operations = 0;
  row->is_over = false;
  row->idle = NULL;
  for (size_t i = 0; i < row->depth; i++) {
    submit(row, &row->jobs[i]);
  }
  while (row->in_flight > 0) {
    if (aura_wait(row->engine, wait_ms) < 0 && errno != ETIMEDOUT && errno != EINTR) {
      return -1;
    }
    row->is_over = row->is_over || !host->goes_on(host->context);
    struct read_job *idle = row->idle;
    row->idle = NULL;
    while (idle != NULL && !row->is_over) {
      struct read_job *next = idle->next;
      submit(row, idle);
      idle = next;
    }
  }
  return row->operations;
}
