/* Processing completions: waiting, timeouts, event loops of others; fatal errors; the log. */
#include "harness.h"

#include <pthread.h>
#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>

static unsigned char sink[64];

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

TEST(waiting_ends_with_a_completion_or_the_timeout) {
  aura_engine_t *engine = small_engine();
  CHECK_EQ(aura_poll(engine), 0);
  CHECK_EQ(aura_wait(engine, 0), 0);
  CHECK_EQ(aura_wait(engine, -1), 0); /* Nothing in flight: nothing to wait for. */
  CHECK_EQ(aura_wait(engine, 20), 0);
  CHECK_EQ(aura_drain(engine, -1), 0);
  CHECK_FAILS(aura_wait(engine, -2), -1, EINVAL);
  CHECK_FAILS(aura_wait(engine, -2147483647 - 1), -1, EINVAL);
  CHECK_FAILS(aura_drain(engine, -2), -1, EINVAL);
  int pipe_fds[2];
  CHECK_EQ(pipe(pipe_fds), 0);
  heard_t heard = {0};
  CHECK(aura_read(engine, pipe_fds[0], aura_buf(sink), 1, 0, hear, &heard) != NULL);
  CHECK_EQ(aura_pending_count(engine), 1);
  const long long begun = now_ms();
  CHECK_FAILS(aura_wait(engine, 50), -1, ETIMEDOUT);
  CHECK(now_ms() - begun >= 50);
  CHECK_FAILS(aura_drain(engine, 50), -1, ETIMEDOUT);
  CHECK_FAILS(aura_drain(engine, 0), -1, ETIMEDOUT);
  CHECK_EQ(aura_poll(engine), 0);
  CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
  CHECK_EQ(aura_wait(engine, -1), 1);
  CHECK_EQ(heard.result, 1);
  CHECK_EQ(aura_pending_count(engine), 0);
  aura_destroy(engine);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

static void *stop_soon(void *engine) {
  usleep(50000);
  aura_stop(engine);
  return NULL;
}

TEST(stopping_ends_a_wait) {
  aura_engine_t *engine = shared_engine();
  int pipe_fds[2];
  CHECK_EQ(pipe(pipe_fds), 0);
  CHECK(aura_read(engine, pipe_fds[0], aura_buf(sink), 1, 0, NULL, NULL) != NULL);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, stop_soon, engine), 0);
  CHECK_EQ(aura_wait(engine, -1), 0);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  close(pipe_fds[1]);
  aura_destroy(engine);
  close(pipe_fds[0]);
}

TEST(an_epoll_loop_learns_of_completions) {
  for (int rings = 1; rings <= 3; rings += 2) {
    aura_engine_t *engine = engine_of(rings, 32);
    const int fd = filled_file(64), epoll = epoll_create1(EPOLL_CLOEXEC);
    const int poll_fd = aura_get_poll_fd(engine);
    CHECK(poll_fd >= 0);
    CHECK_EQ(aura_get_poll_fd(engine), poll_fd);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, poll_fd, &event), 0);
    CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 0);
    for (int i = 0; i < 100; i++) {
      heard_t heard = {0};
      CHECK(aura_read(engine, fd, aura_buf(sink), 1, 0, hear, &heard) != NULL);
      while (heard.calls == 0) {
        CHECK_EQ(epoll_wait(epoll, &event, 1, 10000), 1);
        /* Level-triggered: still readable. */
        struct pollfd readable = {.fd = poll_fd, .events = POLLIN};
        CHECK_EQ(poll(&readable, 1, 0), 1);
        CHECK(aura_poll(engine) >= 0);
      }
      CHECK_EQ(heard.result, 1);
    }
    CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 0); /* Nothing is left. */
    aura_destroy(engine);
    close(epoll);
    close(fd);
  }
}

/* ---- A ring that breaks ------------------------------------------------------------------------------ */

/* Puts /dev/null where the process's rings were. */
static int break_rings(void) {
  int broken = 0;
  const int null = open("/dev/null", O_RDWR);
  DIR *folder = opendir("/proc/self/fd");
  CHECK(folder != NULL);
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    char path[300], target[64] = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    if (readlink(path, target, sizeof target - 1) > 0 && strcmp(target, "anon_inode:[io_uring]") == 0) {
      CHECK(dup2(null, atoi(entry->d_name)) >= 0);
      broken++;
    }
  }
  closedir(folder);
  close(null);
  return broken;
}

TEST(a_fatal_error_is_reported_and_latched) {
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(64);
  CHECK_EQ(aura_get_fatal_error(engine), 0);
  CHECK_EQ(break_rings(), 1);
  CHECK(aura_read(engine, fd, aura_buf(sink), 1, 0, NULL, NULL) != NULL); /* Queued: nobody knows yet. */
  CHECK_EQ(aura_wait(engine, 100), -1);
  const int fatal = aura_get_fatal_error(engine);
  CHECK(fatal > 0);
  CHECK_FAILS(aura_read(engine, fd, aura_buf(sink), 1, 0, NULL, NULL), NULL, ESHUTDOWN);
  CHECK_FAILS(aura_fsync(engine, fd, 0, NULL, NULL), NULL, ESHUTDOWN);
  CHECK_FAILS(aura_poll(engine), -1, fatal);
  CHECK_FAILS(aura_wait(engine, 10), -1, fatal);
  aura_run(engine);
  aura_destroy(engine);
  close(fd);
}

/* ---- The log ------------------------------------------------------------------------------------------ */

typedef struct {
  int calls, level;
  char text[512];
} entry_t;

static void write_down(int level, const char *msg, void *userdata) {
  entry_t *entry = userdata;
  entry->calls++;
  entry->level = level;
  snprintf(entry->text, sizeof entry->text, "%s", msg);
}

TEST(messages_reach_the_handler) {
  entry_t entry = {0};
  aura_log_emit(AURA_LOG_ERR, "nobody %s", "listens");
  aura_set_log_handler(write_down, &entry);
  aura_log_emit(AURA_LOG_WARN, "%d of %s: %.1f %%", 7, "nine", 77.8);
  CHECK_EQ(entry.calls, 1);
  CHECK_EQ(entry.level, AURA_LOG_WARN);
  CHECK_STR(entry.text, "7 of nine: 77.8 %");
  for (int level = AURA_LOG_ERR; level <= AURA_LOG_DEBUG; level++) {
    aura_log_emit(level, "at %d", level);
    CHECK_EQ(entry.level, level);
  }
  aura_log_emit(-1000, "%s", "");
  CHECK_EQ(entry.level, AURA_LOG_ERR);
  CHECK_STR(entry.text, "");
  aura_log_emit(1000, "high");
  CHECK_EQ(entry.level, AURA_LOG_DEBUG);
  errno = ENOTTY;
  aura_log_emit(AURA_LOG_INFO, "%s", strerror(errno));
  CHECK_EQ(errno, ENOTTY);
  CHECK_STR(entry.text, strerror(ENOTTY));
  const int calls = entry.calls;
  const char *volatile none = NULL;
  aura_log_emit(AURA_LOG_INFO, none, 0);
  aura_set_log_handler(NULL, NULL);
  aura_log_emit(AURA_LOG_ERR, "again nobody");
  CHECK_EQ(entry.calls, calls);
}

TEST(long_messages_are_cut) {
  entry_t entry = {0};
  char text[1000];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = 0;
  aura_set_log_handler(write_down, &entry);
  aura_log_emit(AURA_LOG_NOTICE, "%s", text);
  CHECK_EQ(strlen(entry.text), 255);
  aura_set_log_handler(NULL, NULL);
}

TEST(a_refusal_is_explained_to_the_log) {
  entry_t entry = {0};
  aura_set_log_handler(write_down, &entry);
  aura_options_t options;
  aura_options_init(&options);
  options.queue_depth = -4;
  CHECK_FAILS(aura_create_with_options(&options), NULL, EINVAL);
  CHECK(strstr(entry.text, "queue_depth") != NULL);
  CHECK_EQ(entry.calls, 1);
  aura_destroy(FORGED);
  CHECK_EQ(entry.level, AURA_LOG_ERR);
  aura_set_log_handler(NULL, NULL);
}

static void emit_inside(int level, const char *msg, void *userdata) {
  write_down(level, msg, userdata);
  aura_log_emit(level, "from inside");
  aura_set_log_handler(NULL, NULL); /* Does not wait for itself. */
}

TEST(a_handler_that_logs_or_leaves_does_not_hang) {
  entry_t entry = {0};
  aura_set_log_handler(emit_inside, &entry);
  aura_log_emit(AURA_LOG_INFO, "once");
  aura_log_emit(AURA_LOG_INFO, "twice");
  CHECK_EQ(entry.calls, 1);
  CHECK_STR(entry.text, "once");
}

static void slow_handler(int level, const char *msg, void *userdata) {
  (void)level, (void)msg;
  volatile int *inside = userdata;
  *inside = 1;
  usleep(100000);
  *inside = 0;
}

static void *emit_one(void *nothing) {
  aura_log_emit(AURA_LOG_INFO, "slow");
  return nothing;
}

TEST(after_replacing_a_handler_nobody_is_inside_it) {
  int *inside = calloc(1, sizeof *inside);
  CHECK(inside != NULL);
  aura_set_log_handler(slow_handler, inside);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, emit_one, NULL), 0);
  usleep(30000);
  aura_set_log_handler(NULL, NULL);
  const int still = *(volatile int *)inside;
  free(inside);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(still, 0);
}
