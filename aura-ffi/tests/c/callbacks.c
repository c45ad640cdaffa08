/* What callbacks are told, what they may do, and requests before, during and after them. */
#include "harness.h"

#include <sys/wait.h>

static unsigned char sink[64];

TEST(without_a_callback_the_operation_is_carried_out) {
  aura_engine_t *engine = small_engine();
  const int fd = scratch_file();
  char text[] = "quiet";
  CHECK(aura_write(engine, fd, aura_buf(text), 5, 0, NULL, NULL) != NULL);
  CHECK_EQ(aura_drain(engine, 10000), 1);
  char found[6] = {0};
  CHECK_EQ(pread(fd, found, 5, 0), 5);
  CHECK_STR(found, text);
  aura_destroy(engine);
  close(fd);
}

/* ---- Submitting in a callback ---------------------------------------------------------------------- */

typedef struct {
  aura_engine_t *engine;
  int fd, left, wrong;
} chain_t;

static void next_link(aura_request_t *req, ssize_t result, void *user_data) {
  chain_t *chain = user_data;
  chain->wrong += result != 1 || !aura_in_callback_context() || aura_request_user_data(req) != chain;
  if (--chain->left > 0) {
    chain->wrong +=
        aura_read(chain->engine, chain->fd, aura_buf(sink), 1, 0, next_link, chain) == NULL;
  }
}

TEST(callbacks_submit) {
  chain_t chain = {small_engine(), filled_file(64), 1000, 0};
  CHECK(!aura_in_callback_context());
  CHECK(aura_read(chain.engine, chain.fd, aura_buf(sink), 1, 0, next_link, &chain) != NULL);
  CHECK_EQ(aura_drain(chain.engine, 30000), 1000);
  CHECK_EQ(chain.left, 0);
  CHECK_EQ(chain.wrong, 0);
  CHECK(!aura_in_callback_context());
  aura_destroy(chain.engine);
  close(chain.fd);
}

/* ---- Processing completions in a callback ----------------------------------------------------------- */

static int errnos[4];

static void process_inside(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req, (void)result;
  aura_engine_t *engine = user_data;
  errno = 0;
  errnos[0] = aura_poll(engine) == -1 ? errno : 0;
  errnos[1] = aura_wait(engine, 10) == -1 ? errno : 0;
  errnos[2] = aura_drain(engine, 10) == -1 ? errno : 0;
  aura_run(engine);
  errnos[3]++;
}

TEST(callbacks_do_not_process_completions) {
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(64);
  memset(errnos, 0, sizeof errnos);
  CHECK(aura_read(engine, fd, aura_buf(sink), 1, 0, process_inside, engine) != NULL);
  CHECK_EQ(aura_wait(engine, 5000), 1);
  CHECK_EQ(errnos[0], EDEADLK);
  CHECK_EQ(errnos[1], EDEADLK);
  CHECK_EQ(errnos[2], EDEADLK);
  CHECK_EQ(errnos[3], 1);
  aura_destroy(engine);
  close(fd);
}

/* ---- Cancelling ------------------------------------------------------------------------------------ */

static aura_request_t *endless_read(aura_engine_t *engine, int pipe_fds[2], heard_t *heard) {
  CHECK_EQ(pipe(pipe_fds), 0);
  aura_request_t *req = aura_read(engine, pipe_fds[0], aura_buf(sink), 1, 0, hear, heard);
  CHECK(req != NULL);
  return req;
}

static void close_both(const int pipe_fds[2]) {
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST(a_request_that_waits_is_cancelled) {
  aura_engine_t *engine = small_engine();
  int pipe_fds[2];
  heard_t heard = {0};
  aura_request_t *req = endless_read(engine, pipe_fds, &heard);
  CHECK(aura_request_pending(req));
  CHECK_EQ(aura_request_fd(req), pipe_fds[0]);
  CHECK(aura_request_user_data(req) == &heard);
  CHECK_EQ(aura_request_op_type(req), AURA_OP_READ);
  CHECK_FAILS(aura_wait(engine, 20), -1, ETIMEDOUT);
  CHECK_EQ(aura_cancel(engine, req), 0);
  CHECK_EQ(outcome(engine, req, &heard), -ECANCELED);
  CHECK_FAILS(aura_cancel(engine, req), -1, EALREADY);
  CHECK(!aura_request_pending(req));
  close_both(pipe_fds);
  aura_destroy(engine);
}

static aura_request_t *other;
static int cancelled, pending_inside, self_cancel_errno;

static void cancel_inside(aura_request_t *req, ssize_t result, void *user_data) {
  (void)result;
  aura_engine_t *engine = user_data;
  pending_inside = aura_request_pending(req);
  errno = 0;
  self_cancel_errno = aura_cancel(engine, req) == -1 ? errno : 0;
  cancelled = aura_cancel(engine, other);
}

TEST(callbacks_cancel) {
  aura_engine_t *engine = small_engine();
  int pipe_fds[2];
  heard_t heard = {0};
  other = endless_read(engine, pipe_fds, &heard);
  const int fd = filled_file(64);
  cancelled = pending_inside = self_cancel_errno = -1;
  CHECK(aura_read(engine, fd, aura_buf(sink), 1, 0, cancel_inside, engine) != NULL);
  CHECK_EQ(outcome(engine, other, &heard), -ECANCELED);
  CHECK_EQ(cancelled, 0);
  CHECK_EQ(pending_inside, 0);
  CHECK_EQ(self_cancel_errno, EALREADY);
  close_both(pipe_fds);
  close(fd);
  aura_destroy(engine);
}

TEST(names_that_are_no_request_are_recognised) {
  aura_engine_t *engine = small_engine(), *stranger = small_engine();
  int pipe_fds[2];
  heard_t heard = {0};
  aura_request_t *req = endless_read(engine, pipe_fds, &heard);
  CHECK_FAILS(aura_cancel(engine, NULL), -1, EINVAL);
  CHECK_FAILS(aura_cancel(NULL, req), -1, EINVAL);
  CHECK_FAILS(aura_cancel(stranger, req), -1, EINVAL); /* Of another engine. */
  CHECK_FAILS(aura_cancel(engine, HANDLE_FORGED), -1, EINVAL);
  aura_request_t *forged[] = {NULL,         HANDLE_FORGED, FORGED, (aura_request_t *)1,
                              (void *)&req, (aura_request_t *)UINTPTR_MAX};
  for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
    CHECK(!aura_request_pending(forged[i]));
    CHECK_EQ(aura_request_fd(forged[i]), -1);
    CHECK_EQ(aura_request_op_type(forged[i]), -1);
    CHECK(aura_request_user_data(forged[i]) == NULL);
  }
  /* The same slot at another use. */
  aura_request_t *later = (aura_request_t *)((uintptr_t)req + 0x10000);
  CHECK(!aura_request_pending(later));
  CHECK_FAILS(aura_cancel(engine, later), -1, EALREADY);
  CHECK(aura_request_pending(req));
  CHECK_EQ(aura_cancel(engine, req), 0);
  CHECK_EQ(outcome(engine, req, &heard), -ECANCELED);
  aura_destroy(stranger);
  aura_destroy(engine);
  close_both(pipe_fds);
  CHECK(!aura_request_pending(req)); /* Its engine is gone. */
  CHECK_EQ(aura_request_fd(req), -1);
}

TEST(old_requests_stay_over_while_slots_are_used_again) {
  enum { ROUNDS = 300 };
  aura_engine_t *engine = engine_of(1, 2);
  const int fd = filled_file(64);
  static aura_request_t *old[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    heard_t heard = {0};
    old[i] = aura_read(engine, fd, aura_buf(sink), 1, 0, hear, &heard);
    CHECK_EQ(outcome(engine, old[i], &heard), 1);
    for (int j = 0; j <= i; j++) {
      CHECK(!aura_request_pending(old[j]));
      CHECK(i == j || old[i] != old[j]);
    }
    CHECK_FAILS(aura_cancel(engine, old[i / 2]), -1, EALREADY);
    CHECK_EQ(aura_request_fd(old[i / 2]), -1);
  }
  aura_destroy(engine);
  close(fd);
}

typedef struct {
  aura_engine_t *engine;
  int fd, child, status;
  unsigned char byte;
  heard_t heard, later;
} fork_t;

/* Queues a read and forks. The child returns from here, too, and first. */
static void queue_and_fork(aura_request_t *req, ssize_t result, void *user_data) {
  fork_t *at = user_data;
  hear(req, result, &at->heard);
  CHECK(aura_read(at->engine, at->fd, aura_buf(&at->byte), 1, 200, hear, &at->later) != NULL);
  fflush(NULL);
  at->child = fork();
  if (at->child > 0) {
    CHECK_EQ(waitpid(at->child, &at->status, 0), at->child);
  }
}

TEST(a_child_that_was_forked_in_a_callback_takes_nothing_from_its_parent) {
  const int fd = filled_file(4096);
  for (int rings = 1; rings <= 2; rings++) {
    fork_t at = {.engine = engine_of(rings, 64), .fd = fd, .status = -1};
    unsigned char first;
    CHECK(aura_read(at.engine, fd, aura_buf(&first), 1, 0, queue_and_fork, &at) != NULL);
    CHECK(aura_wait(at.engine, 5000) >= 1);
    if (at.child == 0) {
      const int wrong = at.later.calls != 0 || aura_wait(at.engine, 1000) != -1 || errno != ESHUTDOWN;
      aura_destroy(at.engine);
      _exit(wrong);
    }
    CHECK_EQ(at.status, 0);
    CHECK(aura_drain(at.engine, 5000) >= 0);
    CHECK_EQ(at.heard.calls, 1);
    CHECK_EQ(at.later.calls, 1);
    CHECK_EQ(at.later.result, 1);
    CHECK_EQ(at.byte, 200); /* Read into the parent's memory, and not into the child's. */
    aura_destroy(at.engine);
  }
  close(fd);
}

TEST(a_signal_or_a_forked_child_does_no_harm) {
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(64);
  heard_t heard = {0};
  aura_request_t *req = aura_read(engine, fd, aura_buf(sink), 1, 0, hear, &heard);
  CHECK(req != NULL);
  fflush(NULL);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const int wrong = aura_read(engine, fd, aura_buf(sink), 1, 0, NULL, NULL) != NULL ||
                      errno != ESHUTDOWN || aura_wait(engine, 0) != -1 ||
                      aura_get_poll_fd(engine) != -1 || errno != ESHUTDOWN;
    aura_destroy(engine);
    _exit(wrong);
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(outcome(engine, req, &heard), 1);
  aura_destroy(engine);
  close(fd);
}
