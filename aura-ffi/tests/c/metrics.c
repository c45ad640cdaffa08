/* What the engine counts, as text; pushing it; log messages to syslog. */
#include "harness.h"

#include <aura_otel.h>
#include <aura_otel_push.h>
#include <aura_prometheus.h>
#include <aura_syslog.h>
#include <arpa/inet.h>
#include <limits.h>
#include <pthread.h>
#include <sys/socket.h>
#include <syslog.h>

typedef int (*render_t)(const aura_engine_t *engine, char *buf, size_t buf_size);
static const render_t RENDERERS[] = {aura_metrics_prometheus, aura_metrics_otel};

/* An engine that has read 4096 bytes seven times, and failed once. */
static aura_engine_t *experienced(void) {
  static unsigned char sink[4096];
  aura_engine_t *engine = small_engine();
  const int fd = filled_file(sizeof sink);
  for (int i = 0; i < 8; i++) {
    heard_t heard = {0};
    const int from = i < 7 ? fd : 1 << 20;
    aura_request_t *req = aura_read(engine, from, aura_buf(sink), sizeof sink, 0, hear, &heard);
    CHECK_EQ(outcome(engine, req, &heard), i < 7 ? (int)sizeof sink : -EBADF);
  }
  close(fd);
  return engine;
}

TEST(the_page_for_prometheus_has_what_was_done) {
  aura_engine_t *engine = experienced();
  static char page[65536];
  const int length = aura_metrics_prometheus(engine, page, sizeof page);
  CHECK(length > 0);
  CHECK_EQ(strlen(page), length);
  CHECK_EQ(page[length - 1], '\n');
  CHECK(strstr(page, "\naura_io_operations_total{op=\"read\"} 8\n") != NULL);
  CHECK(strstr(page, "\naura_io_errors_total{op=\"read\"} 1\n") != NULL);
  CHECK(strstr(page, "\naura_io_bytes_total{direction=\"read\"} 28672\n") != NULL);
  CHECK(strstr(page, "\naura_io_duration_seconds_count{op=\"read\"} 8\n") != NULL);
  CHECK(strstr(page, "\naura_build_info{version=\"" AURA_VERSION_STRING "\"} 1\n") != NULL);
  CHECK(strstr(page, "version=\"" AURA_PROMETHEUS_SCHEMA_VERSION "\"") != NULL);
  aura_destroy(engine);
}

TEST(the_request_for_a_collector_has_what_was_done) {
  aura_engine_t *engine = experienced();
  static char text[65536];
  const int length = aura_metrics_otel(engine, text, sizeof text);
  CHECK(length > 0);
  CHECK_EQ(strlen(text), length);
  CHECK(strncmp(text, "{\"resourceMetrics\":[", 20) == 0);
  CHECK(strstr(text, "\"asInt\":\"28672\"") != NULL);
  aura_destroy(engine);
}

TEST(the_size_that_is_asked_for_is_exact) {
  aura_engine_t *engine = experienced();
  for (size_t i = 0; i < 2; i++) {
    errno = 0;
    const int needed = -RENDERERS[i](engine, NULL, 0);
    CHECK_EQ(errno, ENOBUFS);
    CHECK(needed > 1);
    /* On the heap and of that very size, so that the sanitizers see a byte too many. */
    char *buf = malloc((size_t)needed);
    CHECK_EQ(RENDERERS[i](engine, buf, (size_t)needed), needed - 1);
    CHECK_EQ(strlen(buf), needed - 1);
    free(buf);
    buf = malloc((size_t)needed - 1);
    CHECK_FAILS(RENDERERS[i](engine, buf, (size_t)needed - 1), -needed, ENOBUFS);
    CHECK_STR(buf, "");
    CHECK_FAILS(RENDERERS[i](engine, buf, 1), -needed, ENOBUFS);
    buf[0] = 'x';
    CHECK_FAILS(RENDERERS[i](engine, buf, 0), -needed, ENOBUFS);
    CHECK_EQ(buf[0], 'x');
    free(buf);
  }
  aura_destroy(engine);
}

TEST(no_engine_and_no_buffer_are_errors) {
  aura_engine_t *engine = small_engine();
  char buf[16];
  for (size_t i = 0; i < 2; i++) {
    CHECK_FAILS(RENDERERS[i](NULL, buf, sizeof buf), -1, EINVAL);
    CHECK_FAILS(RENDERERS[i](FORGED, buf, sizeof buf), -1, EINVAL);
    CHECK_FAILS(RENDERERS[i](engine, NULL, 16), -1, EINVAL);
  }
  aura_destroy(engine);
  CHECK_FAILS(aura_metrics_prometheus(engine, buf, sizeof buf), -1, EINVAL);
}

/* Accepts one connection, reads some, and answers. */
typedef struct {
  int listener;
  const char *answer;
  char request[4096];
} collector_t;

static void *collect(void *argument) {
  collector_t *collector = argument;
  const int peer = accept(collector->listener, NULL, NULL);
  size_t length = 0;
  while (peer >= 0 && strstr(collector->request, "\r\n\r\n{}") == NULL) {
    const ssize_t got = recv(peer, collector->request + length, sizeof collector->request - 1 - length, 0);
    if (got <= 0) {
      break;
    }
    length += (size_t)got;
  }
  send(peer, collector->answer, strlen(collector->answer), MSG_NOSIGNAL);
  close(peer);
  return NULL;
}

/* Pushes "{}" to a collector that answers so. */
static int pushed(int family, const char *answer, collector_t *collector) {
  *collector = (collector_t){.listener = socket(family, SOCK_STREAM, 0), .answer = answer};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr *address = family == AF_INET6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
  socklen_t size = family == AF_INET6 ? sizeof six : sizeof four;
  if (bind(collector->listener, address, size) != 0 || listen(collector->listener, 1) != 0) {
    close(collector->listener);
    harness_skip("no such loopback address here");
  }
  getsockname(collector->listener, address, &size);
  char endpoint[64];
  snprintf(endpoint, sizeof endpoint, "http://%s:%d/v1/metrics", family == AF_INET6 ? "[::1]" : "127.0.0.1",
           ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port));
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, collect, collector), 0);
  const int status = aura_otel_push(endpoint, "{}", 2);
  const int reason = errno;
  pthread_join(thread, NULL);
  close(collector->listener);
  errno = reason;
  return status;
}

TEST(a_push_is_a_post_and_returns_the_status) {
  collector_t collector;
  CHECK_EQ(pushed(AF_INET, "HTTP/1.1 200 OK\r\n\r\n{}", &collector), 200);
  CHECK(strncmp(collector.request, "POST /v1/metrics HTTP/1.1\r\n", 27) == 0);
  CHECK(strstr(collector.request, "\r\nContent-Type: application/json\r\n") != NULL);
  CHECK(strstr(collector.request, "\r\nContent-Length: 2\r\n") != NULL);
  CHECK_EQ(pushed(AF_INET, "HTTP/1.0 503 Later\r\n\r\n", &collector), 503);
  CHECK_EQ(pushed(AF_INET, "HTTP/1.1 404\r\n\r\n", &collector), 404);
  CHECK_FAILS(pushed(AF_INET, "garbage\r\n", &collector), -1, EPROTO);
}

TEST(a_push_reaches_ipv6) {
  collector_t collector;
  CHECK_EQ(pushed(AF_INET6, "HTTP/1.1 200 OK\r\n\r\n", &collector), 200);
  CHECK(strstr(collector.request, "\r\nHost: [::1]:") != NULL);
}

TEST(a_push_that_makes_no_sense_is_refused) {
  CHECK_FAILS(aura_otel_push(NULL, "{}", 2), -1, EINVAL);
  CHECK_FAILS(aura_otel_push("http://localhost", NULL, 2), -1, EINVAL);
  CHECK_FAILS(aura_otel_push("http://localhost", "{}", 0), -1, EINVAL);
  CHECK_FAILS(aura_otel_push("localhost:4318", "{}", 2), -1, EINVAL);
  CHECK_FAILS(aura_otel_push("http://::1:4318/", "{}", 2), -1, EINVAL);
  CHECK_FAILS(aura_otel_push("http://host/\r\nEvil: 1", "{}", 2), -1, EINVAL);
  CHECK_FAILS(aura_otel_push("https://localhost/", "{}", 2), -1, EPROTONOSUPPORT);
  CHECK_FAILS(aura_otel_push("http://127.0.0.1:1/", "{}", 2), -1, ECONNREFUSED);
}

static void count(int level, const char *msg, void *userdata) {
  (void)level;
  *(int *)userdata += strstr(msg, "pushing metrics") != NULL;
}

TEST(a_push_that_keeps_failing_is_logged_once) {
  int messages = 0;
  aura_set_log_handler(count, &messages);
  for (int i = 0; i < 3; i++) {
    CHECK_FAILS(aura_otel_push("http://127.0.0.1:2/", "{}", 2), -1, ECONNREFUSED);
  }
  aura_set_log_handler(NULL, NULL);
  CHECK_EQ(messages, 1);
}

/* Where there is no syslog, messages are dropped: what arrives is tested where there is one. */
TEST(syslog_is_installed_and_removed) {
  aura_syslog_remove(); /* Not installed: nothing happens. */
  CHECK_EQ(aura_syslog_install(NULL), 0);
  char ident[] = "c-suite";
  aura_syslog_options_t options = {ident, LOG_LOCAL3, -1};
  CHECK_EQ(aura_syslog_install(&options), 0);
  memset(ident, 'x', sizeof ident - 1); /* It was copied. */
  aura_log_emit(AURA_LOG_INFO, "to %s", "syslog");
  options.facility = 3;
  CHECK_FAILS(aura_syslog_install(&options), -1, EINVAL);
  options.facility = INT_MAX;
  CHECK_FAILS(aura_syslog_install(&options), -1, EINVAL);
  options.facility = -1;
  options.log_options = 0x4000;
  CHECK_FAILS(aura_syslog_install(&options), -1, EINVAL);
  aura_syslog_remove();
  aura_syslog_remove();
}

TEST(removing_syslog_leaves_a_later_log_handler_alone) {
  int messages = 0;
  CHECK_EQ(aura_syslog_install(NULL), 0);
  aura_set_log_handler(count, &messages);
  aura_syslog_remove();
  aura_log_emit(AURA_LOG_INFO, "pushing metrics");
  CHECK_EQ(messages, 1);
  aura_set_log_handler(NULL, NULL);
}
