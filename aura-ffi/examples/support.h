/* What the examples share: ending with a message, files to work on. */
#ifndef SUPPORT_H
#define SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <aura.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Ends the program if this does not hold; says what was attempted, and errno. */
static inline void ensure(bool holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "failed: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
  }
}

/* Byte of a sample file at an offset. */
static inline unsigned char sample_byte(size_t offset) { return (unsigned char)((offset / 8 >> (offset % 8 * 4)) ^ offset); }

/* Whether these are the bytes of a sample from offset on. */
static inline bool is_sample(const unsigned char *bytes, size_t offset, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] != sample_byte(offset + i)) {
      return false;
    }
  }
  return true;
}

/* A new file in the temporary folder that is gone when it is closed. */
static inline int temporary_file(void) {
  const char *folder = getenv("TMPDIR");
  char path[4096];
  snprintf(path, sizeof path, "%s/aura-XXXXXX", folder == NULL ? "/tmp" : folder);
  const int fd = mkstemp(path);
  ensure(fd >= 0, path);
  ensure(unlink(path) == 0, path);
  return fd;
}

/* A sample of so many bytes. */
static inline int sample_file(size_t bytes) {
  const int fd = temporary_file();
  static unsigned char block[65536];
  for (size_t at = 0; at < bytes; at += sizeof block) {
    const size_t len = bytes - at < sizeof block ? bytes - at : sizeof block;
    for (size_t i = 0; i < len; i++) {
      block[i] = sample_byte(at + i);
    }
    ensure(pwrite(fd, block, len, (off_t)at) == (ssize_t)len, "writing the sample");
  }
  return fd;
}

#endif
