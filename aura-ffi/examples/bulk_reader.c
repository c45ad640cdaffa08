/*
 * Many small files loaded by one call each for opening, reading and closing, all of them at once. When
 * the engine has enough in flight, submitting says EAGAIN; completions make room.
 */
#include "support.h"

enum { FILES = 200, BYTES_MAX = 9000 };

typedef struct {
  int number, fd;
  size_t bytes;
  char name[32];
  unsigned char memory[BYTES_MAX];
} job_t;

static aura_engine_t *engine;
static int folder, closed;
static size_t bytes_read;

static size_t bytes_of(int number) { return (size_t)number * 43; }

/* From a callback or not: waits until there is room. Callbacks cannot wait; they find room, because
 * they come after a completion. */
#define SUBMIT(call)                                      \
  do {                                                    \
    while ((call) == NULL) {                              \
      ensure(errno == EAGAIN, #call);                     \
      ensure(aura_wait(engine, -1) >= 0, "aura_wait");    \
    }                                                     \
  } while (0)

static void on_close(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req, (void)user_data;
  ensure(result == 0, "closing");
  closed++;
}

static void on_read(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  job_t *job = user_data;
  ensure(result == (ssize_t)bytes_of(job->number), "the whole file is read at once");
  ensure(is_sample(job->memory, 0, (size_t)result), "the bytes are those of the file");
  bytes_read += (size_t)result;
  SUBMIT(aura_close(engine, job->fd, on_close, job));
}

static void on_open(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  job_t *job = user_data;
  errno = result < 0 ? (int)-result : 0;
  ensure(result >= 0, job->name);
  job->fd = (int)result;
  SUBMIT(aura_read(engine, job->fd, aura_buf(job->memory), BYTES_MAX, 0, on_read, job));
}

int main(void) {
  char path[64] = "bulk-XXXXXX";
  ensure(mkdtemp(path) != NULL, path);
  folder = open(path, O_RDONLY | O_DIRECTORY);
  ensure(folder >= 0, path);
  job_t *jobs = calloc(FILES, sizeof *jobs);
  ensure(jobs != NULL, "memory");
  size_t expected = 0;
  for (int i = 0; i < FILES; i++) {
    jobs[i].number = i;
    snprintf(jobs[i].name, sizeof jobs[i].name, "file%d", i);
    const int fd = openat(folder, jobs[i].name, O_WRONLY | O_CREAT, 0600);
    for (size_t at = 0; at < bytes_of(i); at++) {
      jobs[i].memory[at] = sample_byte(at);
    }
    ensure(write(fd, jobs[i].memory, bytes_of(i)) == (ssize_t)bytes_of(i), "writing a file");
    close(fd);
    memset(jobs[i].memory, 0, BYTES_MAX);
    expected += bytes_of(i);
  }

  engine = aura_create();
  ensure(engine != NULL, "aura_create");
  for (int i = 0; i < FILES; i++) {
    SUBMIT(aura_openat(engine, folder, jobs[i].name, AURA_O_RDONLY, 0, on_open, &jobs[i]));
  }
  ensure(aura_drain(engine, -1) >= 0, "aura_drain");
  printf("%d files, %zu bytes\n", closed, bytes_read);
  ensure(closed == FILES && bytes_read == expected, "every file was read and closed");
  aura_destroy(engine);

  for (int i = 0; i < FILES; i++) {
    ensure(unlinkat(folder, jobs[i].name, 0) == 0, "removing a file");
  }
  close(folder);
  ensure(rmdir(path) == 0, path);
  free(jobs);
  return 0;
}
