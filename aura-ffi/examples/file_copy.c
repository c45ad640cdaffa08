/*
 * A file copied with a number of pieces on their way at any time: each is read, written, and read again
 * elsewhere. Short reads and writes are gone on with.
 *
 *     ./file_copy [SOURCE TARGET]
 */
#include "support.h"

enum { PIECE_BYTES = 128 << 10, PIECES = 16, SAMPLE_BYTES = (8 << 20) + 4321 };

typedef struct {
  aura_engine_t *engine;
  int source, target;
  off_t next, bytes, written;
} copy_t;

typedef struct {
  copy_t *copy;
  unsigned char *buffer;
  off_t offset;      /* Of the buffer's first byte in the file. */
  size_t len, done;  /* Bytes wanted, and how many have been read or written. */
} piece_t;

static void on_read(aura_request_t *req, ssize_t result, void *user_data);
static void on_written(aura_request_t *req, ssize_t result, void *user_data);

static void go_on(piece_t *piece, bool reading) {
  copy_t *copy = piece->copy;
  const aura_buf_t rest = aura_buf(piece->buffer + piece->done);
  const size_t len = piece->len - piece->done;
  const off_t offset = piece->offset + (off_t)piece->done;
  const aura_request_t *req = reading
                                  ? aura_read(copy->engine, copy->source, rest, len, offset, on_read, piece)
                                  : aura_write(copy->engine, copy->target, rest, len, offset, on_written, piece);
  ensure(req != NULL, reading ? "aura_read" : "aura_write");
}

static void next_piece(piece_t *piece) {
  copy_t *copy = piece->copy;
  if (copy->next >= copy->bytes) {
    return;
  }
  piece->offset = copy->next;
  piece->len = copy->bytes - copy->next < PIECE_BYTES ? (size_t)(copy->bytes - copy->next) : PIECE_BYTES;
  piece->done = 0;
  copy->next += (off_t)piece->len;
  go_on(piece, true);
}

static void progress(piece_t *piece, ssize_t result) {
  errno = result < 0 ? (int)-result : EIO;
  ensure(result > 0, "the file shrank, or an operation failed");
  piece->done += (size_t)result;
}

static void on_read(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  piece_t *piece = user_data;
  progress(piece, result);
  const bool reading = piece->done < piece->len;
  if (!reading) {
    piece->done = 0;
  }
  go_on(piece, reading);
}

static void on_written(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  piece_t *piece = user_data;
  progress(piece, result);
  if (piece->done < piece->len) {
    go_on(piece, false);
  } else {
    piece->copy->written += (off_t)piece->len;
    next_piece(piece);
  }
}

static void on_synced(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  *(ssize_t *)user_data = result;
}

int main(int argc, char **argv) {
  copy_t copy = {aura_create(), -1, -1, 0, 0, 0};
  ensure(copy.engine != NULL, "aura_create");
  if (argc == 3) {
    copy.source = open(argv[1], O_RDONLY);
    ensure(copy.source >= 0, argv[1]);
    copy.target = open(argv[2], O_WRONLY | O_CREAT | O_EXCL, 0644);
    ensure(copy.target >= 0, argv[2]);
  } else {
    copy.source = sample_file(SAMPLE_BYTES);
    copy.target = temporary_file();
  }
  struct stat about;
  ensure(fstat(copy.source, &about) == 0, "fstat");
  copy.bytes = about.st_size;

  piece_t pieces[PIECES];
  for (int i = 0; i < PIECES; i++) {
    pieces[i] = (piece_t){&copy, aura_buffer_alloc(copy.engine, PIECE_BYTES), 0, 0, 0};
    ensure(pieces[i].buffer != NULL, "aura_buffer_alloc");
    next_piece(&pieces[i]);
  }
  ensure(aura_drain(copy.engine, -1) >= 0, "aura_drain");
  ssize_t synced = -1;
  ensure(aura_fsync(copy.engine, copy.target, AURA_FSYNC_DEFAULT, on_synced, &synced) != NULL, "aura_fsync");
  ensure(aura_wait(copy.engine, -1) == 1 && synced == 0, "aura_fsync");
  printf("copied %lld bytes\n", (long long)copy.written);
  ensure(copy.written == copy.bytes, "all of it");

  if (argc != 3) {
    static unsigned char found[SAMPLE_BYTES];
    ensure(pread(copy.target, found, SAMPLE_BYTES, 0) == SAMPLE_BYTES, "the copy is as long as the file");
    ensure(is_sample(found, 0, SAMPLE_BYTES), "and the same");
  }
  for (int i = 0; i < PIECES; i++) {
    aura_buffer_free(copy.engine, pieces[i].buffer);
  }
  aura_destroy(copy.engine);
  close(copy.source);
  close(copy.target);
  return 0;
}
