/*
 * Three ways to have data on the disk: written and synchronised afterwards, past the page cache
 * (O_DIRECT), and with the space allocated beforehand.
 */
#include "support.h"

enum { BLOCK_BYTES = 4096, BLOCKS = 64 };

static aura_engine_t *engine;
static int failures;

/* The operations of this program either do all or fail. */
static void count_failures(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  const ssize_t wanted = *(const ssize_t *)user_data;
  if (result != wanted) {
    fprintf(stderr, "operation: %zd instead of %zd\n", result, wanted);
    failures++;
  }
}

static const ssize_t block = BLOCK_BYTES, nothing = 0;

static void finish(const aura_request_t *req, const char *what) {
  ensure(req != NULL, what);
  ensure(aura_drain(engine, -1) >= 0, "aura_drain");
  ensure(failures == 0, what);
}

static void write_blocks(int fd, unsigned char *buffers[]) {
  for (size_t i = 0; i < BLOCKS; i++) {
    const aura_request_t *req = aura_write(engine, fd, aura_buf(buffers[i]), BLOCK_BYTES, (off_t)(i * BLOCK_BYTES),
                                           count_failures, (void *)&block);
    ensure(req != NULL, "aura_write");
  }
  ensure(aura_drain(engine, -1) >= 0, "aura_drain"); /* A sync does not wait for writes in flight. */
  ensure(failures == 0, "writing");
}

static void verify(int fd, const char *what) {
  static unsigned char found[BLOCK_BYTES * BLOCKS];
  ensure(pread(fd, found, sizeof found, 0) == (ssize_t)sizeof found, what);
  ensure(is_sample(found, 0, sizeof found), what);
  printf("- %s\n", what);
}

int main(void) {
  engine = aura_create();
  ensure(engine != NULL, "aura_create");
  unsigned char *buffers[BLOCKS];
  for (size_t i = 0; i < BLOCKS; i++) {
    buffers[i] = aura_buffer_alloc(engine, BLOCK_BYTES);
    ensure(buffers[i] != NULL, "aura_buffer_alloc");
    for (size_t at = 0; at < BLOCK_BYTES; at++) {
      buffers[i][at] = sample_byte(i * BLOCK_BYTES + at);
    }
  }

  int fd = temporary_file();
  write_blocks(fd, buffers);
  finish(aura_fsync(engine, fd, AURA_FSYNC_DATASYNC, count_failures, (void *)&nothing), "aura_fsync");
  verify(fd, "written, and synchronised afterwards");
  close(fd);

  fd = temporary_file();
  if (fcntl(fd, F_SETFL, O_DIRECT) == 0) { /* Not every file system can. */
    write_blocks(fd, buffers);             /* Pool buffers are aligned as it wants them. */
    fcntl(fd, F_SETFL, 0);
    verify(fd, "written past the page cache");
  } else {
    printf("- no O_DIRECT on this file system\n");
  }
  close(fd);

  fd = temporary_file();
  finish(aura_fallocate(engine, fd, AURA_FALLOC_DEFAULT, 0, BLOCK_BYTES * BLOCKS, count_failures, (void *)&nothing),
         "aura_fallocate");
  write_blocks(fd, buffers);
  finish(aura_fsync(engine, fd, AURA_FSYNC_DEFAULT, count_failures, (void *)&nothing), "aura_fsync");
  verify(fd, "written into space allocated beforehand");
  close(fd);

  for (size_t i = 0; i < BLOCKS; i++) {
    aura_buffer_free(engine, buffers[i]);
  }
  aura_destroy(engine);
  return 0;
}
