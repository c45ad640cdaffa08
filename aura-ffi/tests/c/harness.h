/*
 * A small test harness: tests register themselves, run one after the other, and stop at the first check
 * that fails. The last line is cargo's, so that `cargo xtask test` counts them.
 */
#ifndef HARNESS_H
#define HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <aura.h>
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct test {
  const char *name;
  void (*run)(void);
  struct test *next;
} test_t;

void harness_register(test_t *test);
/* Ends the running test as failed. Only on the test's own thread. */
_Noreturn void harness_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Ends the running test as skipped. */
_Noreturn void harness_skip(const char *reason);

#define TEST(name)                                                              \
  static void name(void);                                                       \
  static test_t test_##name = {#name, name, NULL};                              \
  __attribute__((constructor)) static void register_##name(void) { harness_register(&test_##name); } \
  static void name(void)

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      harness_fail(__FILE__, __LINE__, "%s (errno: %s)", #condition, strerror(errno)); \
    }                                                                           \
  } while (0)

#define CHECK_EQ(left, right)                                                   \
  do {                                                                          \
    const long long check_left = (long long)(left), check_right = (long long)(right); \
    if (check_left != check_right) {                                            \
      harness_fail(__FILE__, __LINE__, "%s is %lld, not %s (%lld); errno: %s", #left, check_left, #right, \
                   check_right, strerror(errno));                               \
    }                                                                           \
  } while (0)

#define CHECK_STR(left, right)                                                  \
  do {                                                                          \
    const char *check_left = (left);                                            \
    if (strcmp(check_left, (right)) != 0) {                                     \
      harness_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #left, check_left, (right)); \
    }                                                                           \
  } while (0)

/* The call gives `result` and sets errno to `reason`. */
#define CHECK_FAILS(call, result, reason)                                       \
  do {                                                                          \
    errno = 0;                                                                  \
    if ((call) != (result)) {                                                   \
      harness_fail(__FILE__, __LINE__, "%s succeeds", #call);                   \
    }                                                                           \
    const int check_errno = errno;                                              \
    if (check_errno != (reason)) {                                              \
      harness_fail(__FILE__, __LINE__, "%s: errno is %d (%s), not %s", #call, check_errno, \
                   strerror(check_errno), #reason);                             \
    }                                                                           \
  } while (0)

/* ---- What many tests need -------------------------------------------------------------------------- */

/* What a callback was told. */
typedef struct {
  int calls;
  ssize_t result;
  aura_request_t *req;
  int fd;
  int type;
} heard_t;

/* Writes down what it is told; user_data is a heard_t. */
void hear(aura_request_t *req, ssize_t result, void *user_data);

/* One ring, a queue of 64, no controller. */
aura_engine_t *small_engine(void);
aura_engine_t *engine_of(int rings, int depth);

/* Whether this runs under valgrind, which has little address space for the pools of many engines. */
bool under_valgrind(void);

/* An engine that one thread waits on while others go on. */
aura_engine_t *shared_engine(void);

/* Valgrind holds up all threads while one sleeps in io_uring_enter. Makes an engine of several rings sleep in
 * epoll_wait there, as it does once somebody has the poll descriptor. */
void spare_other_threads(aura_engine_t *engine);

/* A temporary file without a name, and one with. */
int scratch_file(void);
const char *scratch_path(void);
/* A file with byte i % 251 at i. */
int filled_file(size_t bytes);
bool is_filled(const unsigned char *bytes, size_t offset, size_t len);

/* Waits for the operation and gives its result. */
ssize_t outcome(aura_engine_t *engine, aura_request_t *req, heard_t *heard);

/* What no engine and no request is called. */
#define FORGED ((void *)0x5a00123456781230)
#define HANDLE_FORGED ((void *)0x7ff123456789abcd)

#endif
