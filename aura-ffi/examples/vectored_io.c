/*
 * Scattered and gathered: a record of three parts written by one operation and read back by another.
 */
#include "support.h"

typedef struct {
  uint32_t magic, body_bytes;
} head_t;

static void on_done(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  *(ssize_t *)user_data = result;
}

int main(void) {
  aura_engine_t *engine = aura_create();
  ensure(engine != NULL, "aura_create");
  const int fd = temporary_file();

  head_t head = {0x41555241, 5};
  char body[] = "hello", tail[] = "!\n";
  /* The array and what it points to stay in place until the callback. */
  const struct iovec out[] = {{&head, sizeof head}, {body, 5}, {tail, 2}};
  ssize_t written = -1;
  ensure(aura_writev(engine, fd, out, 3, 100, on_done, &written) != NULL, "aura_writev");
  ensure(aura_wait(engine, -1) == 1 && written == (ssize_t)sizeof head + 7, "the record is written");

  head_t found = {0, 0};
  char text[8] = {0};
  const struct iovec in[] = {{&found, sizeof found}, {text, 7}};
  ssize_t read = -1;
  ensure(aura_readv(engine, fd, in, 2, 100, on_done, &read) != NULL, "aura_readv");
  ensure(aura_wait(engine, -1) == 1 && read == written, "the record is read");

  printf("%zd bytes: %s", read, text);
  ensure(found.magic == head.magic && found.body_bytes == 5 && strcmp(text, "hello!\n") == 0, "it is the same");
  aura_destroy(engine);
  close(fd);
  return 0;
}
