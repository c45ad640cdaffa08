/*
 * An engine with settings of its own, its statistics, and settings changed while it runs.
 */
#include "support.h"

enum { FILE_BYTES = 4 << 20, BLOCK_BYTES = 4096, READS = 2000, MEMORY_BLOCKS = 64 };

static int completed, wrong;
static unsigned char memory[MEMORY_BLOCKS][BLOCK_BYTES];

static void on_read(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req, (void)user_data;
  completed++;
  wrong += result != BLOCK_BYTES;
}

int main(void) {
  aura_options_t options;
  aura_options_init(&options); /* Always first. */
  options.ring_count = 2;
  options.queue_depth = 64;
  options.max_p99_latency_ms = 5.0;
  options.ring_select = AURA_SELECT_ROUND_ROBIN;
  aura_engine_t *engine = aura_create_with_options(&options);
  ensure(engine != NULL, "aura_create_with_options");

  options.queue_depth = -1; /* Settings that make no sense are refused. */
  ensure(aura_create_with_options(&options) == NULL && errno == EINVAL, "a negative depth is refused");

  const int fd = sample_file(FILE_BYTES);
  for (int i = 0; i < READS; i++) {
    const off_t offset = (off_t)(i * 7919 % (FILE_BYTES / BLOCK_BYTES)) * BLOCK_BYTES;
    while (aura_read(engine, fd, aura_buf(memory[i % MEMORY_BLOCKS]), BLOCK_BYTES, offset, on_read, NULL) == NULL) {
      ensure(errno == EAGAIN, "aura_read");
      ensure(aura_wait(engine, -1) >= 0, "aura_wait");
    }
    if (i == READS / 2) {
      ensure(aura_set_max_p99_latency(engine, 2.0) == 0, "aura_set_max_p99_latency");
      ensure(aura_set_batch_threshold(engine, 8) == 0, "aura_set_batch_threshold");
    }
  }
  ensure(aura_drain(engine, -1) >= 0, "aura_drain");
  ensure(completed == READS && wrong == 0, "every read brought a block");

  aura_stats_t stats;
  ensure(aura_get_stats(engine, &stats, sizeof stats) == 0, "aura_get_stats");
  printf("%lld operations, %lld bytes, p99 %.3f ms, at most %d in flight\n", (long long)stats.ops_completed,
         (long long)stats.bytes_transferred, stats.p99_latency_ms, stats.peak_in_flight);
  ensure(stats.ops_completed == READS && stats.bytes_transferred == (int64_t)READS * BLOCK_BYTES, "the totals");
  for (int ring = 0; ring < aura_get_ring_count(engine); ring++) {
    aura_ring_stats_t one;
    aura_histogram_t histogram;
    ensure(aura_get_ring_stats(engine, ring, &one, sizeof one) == 0, "aura_get_ring_stats");
    ensure(aura_get_histogram(engine, ring, &histogram, sizeof histogram) == 0, "aura_get_histogram");
    printf("ring %d: %lld operations, limit %d, phase %s, median of the window %.3f ms\n", ring,
           (long long)one.ops_completed, one.in_flight_limit, aura_phase_name(one.aimd_phase),
           aura_histogram_percentile(&histogram, 50.0));
    ensure(one.ops_completed > READS / 3, "the rings take turns");
  }
  aura_destroy(engine);
  close(fd);
  return 0;
}
