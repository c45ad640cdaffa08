// The job of the rows in C and C++: where to read, and whether what came is right.
//
// `RandomBlocks` and `Verifier` of Rust, written again because they are inlined in the other rows: only what is
// measured may differ.
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { block_bytes = 4096, word_bytes = 8, look_closer_every = 1024 };

// `Host` of Rust: one turn's side of it.
struct host {
  void *context;
  // Compares a whole block; whether to go on.
  bool (*look_closer)(void *context, uint64_t offset, const void *block);
  // Notes that a read of a block came back with something else, or that an errno (negative) ended it.
  void (*fail)(void *context, uint64_t offset, ssize_t result);
  // Looks at the watch.
  bool (*goes_on)(void *context);
};

// `Setup` of Rust: what a row is made for.
struct setup {
  // To be read; -1 for operations that do nothing.
  int file;
  uint64_t file_bytes;
  size_t depth;
  bool is_single;
  // Whether the file's content follows from offsets.
  bool is_ours;
};

// Where to read, and what was checked.
struct job {
  const struct host *host;
  uint64_t blocks;
  uint64_t drawn;
  uint64_t checked;
  bool is_ours;
};

static inline uint64_t mix(uint64_t number) {
  uint64_t z = number + 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

static inline struct job job_new(const struct setup *setup) {
  struct job job = {NULL, setup->file_bytes / block_bytes, mix(1), 0, setup->is_ours};
  return job;
}

// The next offset.
static inline uint64_t job_draw(struct job *job) {
  __extension__ typedef unsigned __int128 wide;
  job->drawn++;
  return (uint64_t)(((wide)mix(job->drawn) * job->blocks) >> 64) * block_bytes;
}

static inline bool word_is_right(uint64_t offset, const void *block, size_t at) {
  uint64_t word;
  memcpy(&word, (const char *)block + at, sizeof word);
  return word == mix((offset + at) / word_bytes);
}

// Checks what a read brought; whether to go on.
static inline bool job_check(struct job *job, uint64_t offset, const void *block, ssize_t result) {
  if (result != block_bytes) {
    job->host->fail(job->host->context, offset, result);
    return false;
  }
  job->checked++;
  const size_t wandering = job->checked * word_bytes % block_bytes;
  const bool looks_right =
      !job->is_ours || (word_is_right(offset, block, 0) && word_is_right(offset, block, wandering));
  if (looks_right && job->checked % look_closer_every != 0) {
    return true;
  }
  return job->host->look_closer(job->host->context, offset, block);
}

#ifdef __cplusplus
}
#endif

#endif
