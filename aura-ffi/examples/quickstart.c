/*
 * The smallest complete program: open a file, read from it, look at the bytes.
 *
 *     cc quickstart.c $(pkg-config --cflags --libs aura) && ./a.out [FILE]
 */
#include <aura.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Runs inside aura_wait, on the thread that calls it. */
static void on_read(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  *(ssize_t *)user_data = result;
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "/proc/self/exe";
  const int fd = open(path, O_RDONLY);
  aura_engine_t *engine = aura_create(); /* There is nothing to set up: it tunes itself. */
  if (fd < 0 || engine == NULL) {
    perror(path);
    return 1;
  }
  char *buffer = aura_buffer_alloc(engine, 4096); /* Aligned, from the engine's pool. */
  ssize_t result = -1;
  if (buffer == NULL || aura_read(engine, fd, aura_buf(buffer), 4096, 0, on_read, &result) == NULL) {
    perror("aura_read");
    return 1;
  }
  aura_wait(engine, -1);
  if (result < 0) {
    fprintf(stderr, "%s: %s\n", path, strerror((int)-result));
    return 1;
  }
  printf("read %zd bytes of %s\n", result, path);
  const int wrong = argc == 1 && memcmp(buffer, "\177ELF", 4) != 0;
  aura_buffer_free(engine, buffer);
  aura_destroy(engine);
  close(fd);
  return wrong;
}
