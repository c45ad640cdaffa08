/*
 * Messages of the library, and of the program through it, go to a handler: here to stdout, with syslog's
 * names of the levels. Without one the library is silent.
 */
#include "support.h"

#include <pthread.h>

typedef struct {
  pthread_mutex_t lock; /* It may be called on several threads at once. */
  int messages, explanations;
} log_t;

static void on_message(int level, const char *msg, void *userdata) {
  static const char *const names[] = {"err", "warning", "notice", "info", "debug"};
  log_t *log = userdata;
  pthread_mutex_lock(&log->lock);
  log->messages++;
  log->explanations += strstr(msg, "queue_depth") != NULL;
  printf("[%s] %s\n", names[level - AURA_LOG_ERR], msg);
  pthread_mutex_unlock(&log->lock);
}

int main(void) {
  log_t log = {PTHREAD_MUTEX_INITIALIZER, 0, 0};
  aura_set_log_handler(on_message, &log);
  aura_log_emit(AURA_LOG_NOTICE, "program started, library %s", aura_version());
  ensure(log.messages == 1, "the handler is called");

  /* errno says EINVAL; the log says which setting, and what would be good. */
  aura_options_t options;
  aura_options_init(&options);
  options.queue_depth = 1000000;
  ensure(aura_create_with_options(&options) == NULL && errno == EINVAL, "the depth is refused");
  ensure(log.explanations > 0, "and explained");

  /* When this returns nobody is inside the handler: `log` may go. */
  aura_set_log_handler(NULL, NULL);
  const int before = log.messages;
  aura_log_emit(AURA_LOG_ERR, "nobody listens");
  ensure(log.messages == before, "the library is silent again");
  pthread_mutex_destroy(&log.lock);
  return 0;
}
