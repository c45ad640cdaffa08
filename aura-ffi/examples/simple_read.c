/*
 * A file read from beginning to end, several pieces at a time, each callback submitting the next.
 */
#include "support.h"

enum { PIECE_BYTES = 16384, PIECES_IN_FLIGHT = 8, FILE_BYTES = (1 << 20) + 4321 };

typedef struct {
  aura_engine_t *engine;
  int fd;
  off_t next; /* Where nobody has read yet. */
  size_t bytes;
} reader_t;

typedef struct {
  reader_t *reader;
  off_t offset;
  unsigned char *buffer;
} piece_t;

static void on_piece(aura_request_t *req, ssize_t result, void *user_data);

static void read_next(piece_t *piece) {
  reader_t *reader = piece->reader;
  piece->offset = reader->next;
  reader->next += PIECE_BYTES;
  const aura_request_t *req = aura_read(reader->engine, reader->fd, aura_buf(piece->buffer), PIECE_BYTES,
                                        piece->offset, on_piece, piece);
  ensure(req != NULL, "aura_read");
}

static void on_piece(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  piece_t *piece = user_data;
  errno = result < 0 ? (int)-result : 0;
  ensure(result >= 0, "reading");
  ensure(is_sample(piece->buffer, (size_t)piece->offset, (size_t)result), "the bytes are those of the file");
  piece->reader->bytes += (size_t)result;
  if (result == PIECE_BYTES) { /* Less is the end of the file. */
    read_next(piece);
  }
}

int main(void) {
  reader_t reader = {aura_create(), sample_file(FILE_BYTES), 0, 0};
  ensure(reader.engine != NULL, "aura_create");
  piece_t pieces[PIECES_IN_FLIGHT];
  for (int i = 0; i < PIECES_IN_FLIGHT; i++) {
    pieces[i] = (piece_t){&reader, 0, aura_buffer_alloc(reader.engine, PIECE_BYTES)};
    ensure(pieces[i].buffer != NULL, "aura_buffer_alloc");
    read_next(&pieces[i]);
  }
  ensure(aura_drain(reader.engine, -1) >= 0, "aura_drain"); /* Until no callback has submitted any more. */
  printf("read %zu of %d bytes\n", reader.bytes, FILE_BYTES);
  ensure(reader.bytes == FILE_BYTES, "the whole file was read");
  for (int i = 0; i < PIECES_IN_FLIGHT; i++) {
    aura_buffer_free(reader.engine, pieces[i].buffer);
  }
  aura_destroy(reader.engine);
  close(reader.fd);
  return 0;
}
