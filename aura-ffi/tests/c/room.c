/* Being told that there is room, and buffers that outlive their engine. */
#include "harness.h"

enum { DEPTH = 4, READS = 64 };

typedef struct {
  aura_engine_t *engine;
  int fd, started, done, calls;
  unsigned char memory[READS][16];
} queue_t;

static void one_done(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  CHECK_EQ(result, 16);
  ((queue_t *)user_data)->done++;
}

/* Submits until the engine is full, and asks to be called again. */
static void feed(void *user_data) {
  queue_t *queue = user_data;
  queue->calls++;
  for (;;) {
    while (queue->started < READS &&
           aura_read(queue->engine, queue->fd, aura_buf(queue->memory[queue->started]), 16, 0, one_done, queue) != NULL) {
      queue->started++;
    }
    if (queue->started == READS) {
      return;
    }
    CHECK_EQ(errno, EAGAIN);
    const int asked = aura_when_room(queue->engine, feed, queue);
    CHECK(asked >= 0);
    if (asked == 0) {
      return;
    }
  }
}

TEST(whoever_was_refused_is_told_when_there_is_room) {
  for (int rings = 1; rings <= 2; rings++) {
    queue_t queue = {engine_of(rings, DEPTH), filled_file(16), 0, 0, 0, {{0}}};
    feed(&queue);
    CHECK(queue.started < READS);
    CHECK(aura_drain(queue.engine, 30000) >= 0);
    CHECK_EQ(queue.done, READS);
    CHECK(queue.calls > 1);
    aura_destroy(queue.engine);
    close(queue.fd);
  }
}

static void never(void *user_data) {
  (void)user_data;
  abort();
}

static void post_again(void *user_data) {
  queue_t *queue = user_data;
  queue->calls++;
  if (queue->calls < 3) {
    CHECK_EQ(aura_post(queue->engine, post_again, queue), 0);
  }
  CHECK_FAILS(aura_poll(queue->engine), -1, EDEADLK);
}

TEST(what_is_posted_is_called_by_who_processes_completions) {
  queue_t queue = {small_engine(), -1, 0, 0, 0, {{0}}};
  CHECK_EQ(aura_post(queue.engine, post_again, &queue), 0);
  while (queue.calls < 3) {
    CHECK_EQ(aura_wait(queue.engine, 30000), 1);
  }
  CHECK_EQ(aura_poll(queue.engine), 0);
  CHECK_FAILS(aura_post(queue.engine, NULL, NULL), -1, EINVAL);
  CHECK_FAILS(aura_post(NULL, never, NULL), -1, EINVAL);
  CHECK_EQ(aura_post(queue.engine, never, NULL), 0); /* The engine ends first. */
  aura_destroy(queue.engine);
}

TEST(nobody_is_told_where_there_is_room_already) {
  aura_engine_t *engine = small_engine();
  CHECK_EQ(aura_when_room(engine, never, NULL), 1);
  CHECK_FAILS(aura_when_room(engine, NULL, NULL), -1, EINVAL);
  CHECK_FAILS(aura_when_room(NULL, never, NULL), -1, EINVAL);
  CHECK_FAILS(aura_when_room(FORGED, never, NULL), -1, EINVAL);
  aura_destroy(engine);
}

TEST(a_share_of_the_pool_keeps_buffers_beyond_their_engine) {
  aura_engine_t *engine = small_engine();
  aura_pool_t *pool = aura_pool_share(engine);
  CHECK(pool != NULL);
  unsigned char *early = aura_buffer_alloc(engine, 4096), *late = aura_buffer_alloc(engine, 1 << 20);
  CHECK(early != NULL && late != NULL);
  aura_pool_free(pool, early);
  aura_destroy(engine);
  memset(late, 7, 1 << 20);
  CHECK_EQ(late[12345], 7);
  aura_pool_free(pool, late);
  CHECK_FAILS((aura_pool_free(pool, late), -1), -1, EINVAL); /* Given back before. */
  aura_pool_free(pool, NULL);
  aura_pool_release(pool);
  aura_pool_release(NULL);
  CHECK_FAILS(aura_pool_share(engine), NULL, EINVAL);
  CHECK_FAILS((aura_pool_free(NULL, &pool), -1), -1, EINVAL);
}
