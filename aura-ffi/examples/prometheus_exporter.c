/*
 * Serves the metrics of an engine at work to Prometheus.
 *
 *   prometheus_exporter        serves once, to itself, and checks what it serves
 *   prometheus_exporter 9464   serves until it is stopped: curl http://127.0.0.1:9464/metrics
 */
#include "support.h"

#include <arpa/inet.h>
#include <aura_prometheus.h>
#include <pthread.h>
#include <sys/socket.h>

enum { BLOCK_BYTES = 4096, BLOCKS = 16, READS = 10 };

static void on_read(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  *(int *)user_data += result == BLOCK_BYTES;
}

static void read_some(aura_engine_t *engine, int fd) {
  static unsigned char blocks[READS][BLOCK_BYTES];
  int good = 0;
  for (int i = 0; i < READS; i++) {
    const off_t offset = (off_t)(i % BLOCKS) * BLOCK_BYTES;
    ensure(aura_read(engine, fd, aura_buf(blocks[i]), BLOCK_BYTES, offset, on_read, &good) != NULL, "reading");
  }
  ensure(aura_drain(engine, -1) >= 0 && good == READS, "all reads complete");
}

/* The page, to be freed; its length. */
static char *page_of(const aura_engine_t *engine, size_t *length) {
  char *page = NULL;
  int needed = -aura_metrics_prometheus(engine, NULL, 0);
  for (;;) {
    page = realloc(page, (size_t)needed);
    ensure(page != NULL, "allocating the page");
    const int result = aura_metrics_prometheus(engine, page, (size_t)needed);
    if (result >= 0) {
      *length = (size_t)result;
      return page;
    }
    ensure(errno == ENOBUFS, "rendering the page");
    needed = -result; /* A counter has grown by a digit meanwhile. */
  }
}

static void send_all(int peer, const char *bytes, size_t length) {
  for (ssize_t sent = 0; length > 0 && sent >= 0; bytes += sent, length -= (size_t)sent) {
    sent = send(peer, bytes, length, MSG_NOSIGNAL);
    if (sent < 0) {
      return; /* The scraper went away: it will come again. */
    }
  }
}

/* Answers one scraper. */
static void serve(int listener, const aura_engine_t *engine) {
  const int peer = accept(listener, NULL, NULL);
  if (peer < 0) {
    return;
  }
  const struct timeval patience = {.tv_sec = 5};
  setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  char request[2048] = {0}, head[256];
  size_t have = 0;
  while (have < sizeof request - 1 && strstr(request, "\r\n\r\n") == NULL) {
    const ssize_t got = recv(peer, request + have, sizeof request - 1 - have, 0);
    if (got <= 0) {
      close(peer);
      return;
    }
    have += (size_t)got;
  }
  size_t length = 0;
  char *page = strncmp(request, "GET /metrics ", 13) == 0 ? page_of(engine, &length) : NULL;
  snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
           page == NULL ? "404 Not Found" : "200 OK", AURA_PROMETHEUS_CONTENT_TYPE, length);
  send_all(peer, head, strlen(head));
  if (page != NULL) {
    send_all(peer, page, length);
  }
  free(page);
  close(peer);
}

static int listen_at(unsigned short *port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  ensure(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 16) == 0, "listening");
  ensure(getsockname(listener, (struct sockaddr *)&address, &size) == 0, "asking for the port");
  *port = ntohs(address.sin_port);
  return listener;
}

typedef struct {
  aura_engine_t *engine;
  int fd;
} worker_t;

/* Something to count: a little I/O every now and then, on a thread of its own. */
static void *work(void *argument) {
  const worker_t *worker = argument;
  for (;;) {
    read_some(worker->engine, worker->fd);
    usleep(20000);
  }
  return NULL;
}

typedef struct {
  char answer[65536];
  unsigned short port;
} scraper_t;

static void *scrape(void *argument) {
  scraper_t *scraper = argument;
  const int peer = socket(AF_INET, SOCK_STREAM, 0);
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(scraper->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  ensure(connect(peer, (const struct sockaddr *)&address, sizeof address) == 0, "connecting");
  send_all(peer, "GET /metrics HTTP/1.1\r\n\r\n", 25);
  size_t have = 0;
  for (ssize_t got = 1; got > 0; have += (size_t)got) {
    got = recv(peer, scraper->answer + have, sizeof scraper->answer - 1 - have, 0);
    ensure(got >= 0, "receiving the page");
  }
  close(peer);
  return NULL;
}

int main(int argc, char **argv) {
  aura_engine_t *engine = aura_create();
  ensure(engine != NULL, "creating an engine");
  const int fd = sample_file(BLOCKS * BLOCK_BYTES);
  unsigned short port = (unsigned short)(argc > 1 ? atoi(argv[1]) : 0);
  const int listener = listen_at(&port);
  printf("http://127.0.0.1:%d/metrics\n", port);
  fflush(stdout);
  pthread_t thread;
  if (argc > 1) {
    worker_t worker = {engine, fd};
    ensure(pthread_create(&thread, NULL, work, &worker) == 0, "starting a thread");
    for (;;) {
      serve(listener, engine);
    }
  }

  read_some(engine, fd);
  static scraper_t scraper;
  scraper.port = port;
  ensure(pthread_create(&thread, NULL, scrape, &scraper) == 0, "starting a thread");
  serve(listener, engine);
  pthread_join(thread, NULL);
  ensure(strstr(scraper.answer, "\naura_io_operations_total{op=\"read\"} 10\n") != NULL, "all reads are counted");
  close(listener);
  close(fd);
  aura_destroy(engine);
  return 0;
}
