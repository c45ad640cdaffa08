/*
 * Pushes the metrics of an engine to an OpenTelemetry collector.
 *
 *   otel_exporter [--dry-run]                        prints the request, and sends nothing
 *   otel_exporter http://127.0.0.1:4318/v1/metrics   pushes once a second, three times
 */
#include "support.h"

#include <aura_otel.h>
#include <aura_otel_push.h>

enum { TEXT_BYTES = 256 << 10, BLOCK_BYTES = 4096, PUSHES = 3 };

static void on_message(int level, const char *msg, void *userdata) {
  (void)userdata;
  fprintf(stderr, "[%d] %s\n", level, msg);
}

static void on_read(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  *(ssize_t *)user_data = result;
}

/* Returns whether the collector took it. */
static bool push(const aura_engine_t *engine, const char *endpoint, char *text) {
  const int length = aura_metrics_otel(engine, text, TEXT_BYTES);
  ensure(length > 0, "rendering the request");
  if (endpoint == NULL) {
    puts(text);
    return strstr(text, "\"aura.io.operations\"") != NULL;
  }
  const int status = aura_otel_push(endpoint, text, (size_t)length);
  if (status < 0) {
    perror("pushing"); /* The log has the words. An unreachable collector is no reason to stop. */
  }
  return status == 200;
}

int main(int argc, char **argv) {
  const char *endpoint = argc > 1 && strcmp(argv[1], "--dry-run") != 0 ? argv[1] : NULL;
  aura_set_log_handler(on_message, NULL);
  aura_engine_t *engine = aura_create();
  ensure(engine != NULL, "creating an engine");
  const int fd = sample_file(BLOCK_BYTES);
  static char text[TEXT_BYTES], block[BLOCK_BYTES];
  bool good = true;
  for (int i = 0; i < (endpoint == NULL ? 1 : PUSHES); i++) {
    ssize_t result = -1;
    ensure(aura_read(engine, fd, aura_buf(block), BLOCK_BYTES, 0, on_read, &result) != NULL, "reading");
    ensure(aura_drain(engine, -1) >= 0 && result == BLOCK_BYTES, "the read completes");
    if (i > 0) {
      sleep(1);
    }
    good = push(engine, endpoint, text) && good;
  }
  close(fd);
  aura_destroy(engine);
  return good ? 0 : 1;
}
