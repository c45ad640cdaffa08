/*
 * Buffers and a file registered with the kernel, which then need not be looked up and pinned at every
 * operation. Unregistering waits until the last operation on them is done.
 */
#include "support.h"

enum { BUFFERS = 8, BUFFER_BYTES = 8192, ROUNDS = 50, FILE_BYTES = BUFFERS * BUFFER_BYTES };

static unsigned char memory[BUFFERS][BUFFER_BYTES];
static int completed;

static void on_read(aura_request_t *req, ssize_t result, void *user_data) {
  const size_t index = (size_t)((unsigned char(*)[BUFFER_BYTES])user_data - memory);
  ensure(aura_request_op_type(req) == AURA_OP_READ_FIXED, "it is a read into a registered buffer");
  ensure(result == BUFFER_BYTES, "the whole buffer is read");
  ensure(is_sample(memory[index], index * BUFFER_BYTES, BUFFER_BYTES), "the bytes are those of the file");
  completed++;
}

int main(void) {
  aura_engine_t *engine = aura_create();
  ensure(engine != NULL, "aura_create");
  const int fd = sample_file(FILE_BYTES);
  struct iovec iovs[BUFFERS];
  for (int i = 0; i < BUFFERS; i++) {
    iovs[i] = (struct iovec){memory[i], BUFFER_BYTES};
  }
  ensure(aura_register_buffers(engine, iovs, BUFFERS) == 0, "aura_register_buffers");
  ensure(aura_register_files(engine, &fd, 1) == 0, "aura_register_files");

  for (int round = 0; round < ROUNDS; round++) {
    aura_op_t ops[BUFFERS];
    for (int i = 0; i < BUFFERS; i++) {
      aura_op_init(&ops[i], AURA_OP_READ);
      ops[i].fd = 0; /* The index of the file... */
      ops[i].flags = AURA_FIXED_FILE;
      ops[i].buf = aura_buf_fixed_idx(i); /* ...and of the buffer. */
      ops[i].len = BUFFER_BYTES;
      ops[i].offset = i * BUFFER_BYTES;
      ops[i].callback = on_read;
      ops[i].user_data = &memory[i];
    }
    memset(memory, 0, sizeof memory);
    ensure(aura_submit_batch(engine, ops, BUFFERS, NULL) == BUFFERS, "aura_submit_batch");
    ensure(aura_drain(engine, -1) == BUFFERS, "aura_drain");
  }
  printf("%d reads, all of them where they belong\n", completed);
  ensure(completed == ROUNDS * BUFFERS, "every read completed");

  ensure(aura_unregister(engine, AURA_REG_BUFFERS) == 0, "aura_unregister");
  ensure(aura_read(engine, fd, aura_buf_fixed_idx(0), 1, 0, NULL, NULL) == NULL && errno == ENOENT,
         "a registered buffer is no more");
  ensure(aura_unregister(engine, AURA_REG_FILES) == 0, "aura_unregister");
  aura_destroy(engine);
  close(fd);
  return 0;
}
