/*
 * Cancelling: a read from a pipe that nobody writes to is given up after a while. The callback runs in
 * any case, once, and a request that is over is no danger.
 */
#include "support.h"

static void on_read(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  *(ssize_t *)user_data = result;
}

int main(void) {
  int ends[2];
  ensure(pipe(ends) == 0, "pipe");
  aura_engine_t *engine = aura_create();
  ensure(engine != NULL, "aura_create");
  char byte = 0;
  ssize_t result = 1;
  aura_request_t *req = aura_read(engine, ends[0], aura_buf(&byte), 1, 0, on_read, &result);
  ensure(req != NULL, "aura_read");

  ensure(aura_wait(engine, 50) == -1 && errno == ETIMEDOUT, "nothing arrives");
  ensure(aura_request_pending(req), "the request is pending");
  printf("- after 50 ms the read still waits, on descriptor %d\n", aura_request_fd(req));

  ensure(aura_cancel(engine, req) == 0, "aura_cancel");
  ensure(aura_drain(engine, -1) >= 0, "aura_drain");
  ensure(result == -ECANCELED, "the callback is told");
  printf("- cancelled: the callback got -ECANCELED\n");

  ensure(!aura_request_pending(req), "it is over");
  ensure(aura_cancel(engine, req) == -1 && errno == EALREADY, "cancelling again");
  printf("- cancelling again is EALREADY\n");

  aura_destroy(engine);
  close(ends[0]);
  close(ends[1]);
  return 0;
}
