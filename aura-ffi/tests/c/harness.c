/* The harness's own part, and what many tests need. */
#include "harness.h"

#include <fcntl.h>
#include <stdarg.h>

static test_t *first, **last = &first;
static jmp_buf after;
enum { PASSED, FAILED, SKIPPED };

void harness_register(test_t *test) {
  *last = test;
  last = &test->next;
}

void harness_fail(const char *file, int line, const char *format, ...) {
  va_list arguments;
  fprintf(stderr, "%s:%d: ", file, line);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  longjmp(after, FAILED);
}

void harness_skip(const char *reason) {
  printf("SKIP: %s\n", reason);
  longjmp(after, SKIPPED);
}

static int run(void (*test)(void)) {
  switch (setjmp(after)) {
  case PASSED:
    test();
    return PASSED;
  case SKIPPED:
    return SKIPPED;
  default:
    return FAILED;
  }
}

int main(int argc, char **argv) {
  /* A test that hangs ends the program; the name is the last thing printed. */
  enum { SECONDS_PER_TEST = 120 };
  int passed = 0, failed = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (test_t *test = first; test != NULL; test = test->next) {
    if (argc > 1 && strstr(test->name, argv[1]) == NULL) {
      continue;
    }
    printf("test %s\n", test->name);
    alarm(SECONDS_PER_TEST);
    const int ending = run(test->run);
    alarm(0);
    aura_set_log_handler(NULL, NULL);
    failed += ending == FAILED;
    passed += ending != FAILED; /* A skip counts as passed for cargo. */
    if (ending == FAILED) {
      printf("test %s FAILED\n", test->name);
    }
  }
  printf("test result: %s. %d passed; %d failed; 0 ignored; 0 measured; 0 filtered out\n",
         failed == 0 ? "ok" : "FAILED", passed, failed);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void hear(aura_request_t *req, ssize_t result, void *user_data) {
  heard_t *heard = user_data;
  heard->calls++;
  heard->result = result;
  heard->req = req;
  heard->fd = aura_request_fd(req);
  heard->type = aura_request_op_type(req);
}

aura_engine_t *small_engine(void) { return engine_of(1, 64); }

bool under_valgrind(void) { return getenv("AURA_UNDER_VALGRIND") != NULL; }

aura_engine_t *shared_engine(void) { return engine_of(under_valgrind() ? 2 : 1, 64); }

void spare_other_threads(aura_engine_t *engine) {
  if (under_valgrind()) {
    CHECK(aura_get_poll_fd(engine) >= 0);
  }
}

aura_engine_t *engine_of(int rings, int depth) {
  aura_options_t options;
  aura_options_init(&options);
  options.ring_count = rings;
  options.queue_depth = depth;
  options.initial_in_flight = depth;
  options.disable_adaptive = true;
  aura_engine_t *engine = aura_create_with_options(&options);
  CHECK(engine != NULL);
  if (rings > 1) {
    spare_other_threads(engine);
  }
  return engine;
}

const char *scratch_path(void) {
  static char path[128];
  static int number;
  const char *folder = getenv("TMPDIR");
  snprintf(path, sizeof path, "%s/aura-c-%d-%d", folder == NULL ? "/tmp" : folder, (int)getpid(), number++);
  return path;
}

int scratch_file(void) {
  const char *path = scratch_path();
  const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(unlink(path), 0);
  return fd;
}

int filled_file(size_t bytes) {
  const int fd = scratch_file();
  unsigned char block[4096];
  for (size_t at = 0; at < bytes;) {
    const size_t len = bytes - at < sizeof block ? bytes - at : sizeof block;
    for (size_t i = 0; i < len; i++) {
      block[i] = (unsigned char)((at + i) % 251);
    }
    CHECK_EQ(pwrite(fd, block, len, (off_t)at), len);
    at += len;
  }
  return fd;
}

bool is_filled(const unsigned char *bytes, size_t offset, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] != (unsigned char)((offset + i) % 251)) {
      return false;
    }
  }
  return true;
}

ssize_t outcome(aura_engine_t *engine, aura_request_t *req, heard_t *heard) {
  CHECK(req != NULL);
  CHECK(aura_drain(engine, 30000) >= 0);
  CHECK_EQ(heard->calls, 1);
  CHECK(heard->req == req);
  return heard->result;
}
