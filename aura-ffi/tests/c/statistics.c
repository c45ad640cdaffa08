/* Statistics, histograms and settings at run time; structs of other sizes. */
#include "harness.h"

static unsigned char sink[4096];

/* An engine that has read 4096 bytes a hundred times. */
static aura_engine_t *experienced(int rings) {
  aura_engine_t *engine = engine_of(rings, 32);
  const int fd = filled_file(sizeof sink);
  for (int i = 0; i < 100; i++) {
    heard_t heard = {0};
    aura_request_t *req = aura_read(engine, fd, aura_buf(sink), sizeof sink, 0, hear, &heard);
    CHECK_EQ(outcome(engine, req, &heard), sizeof sink);
  }
  close(fd);
  return engine;
}

TEST(totals_count_what_was_done) {
  aura_engine_t *engine = experienced(1);
  aura_stats_t stats;
  CHECK_EQ(aura_get_stats(engine, &stats, sizeof stats), 0);
  CHECK_EQ(stats.ops_completed, 100);
  CHECK_EQ(stats.bytes_transferred, 100 * (int)sizeof sink);
  CHECK_EQ(stats.current_in_flight, 0);
  CHECK_EQ(stats.peak_in_flight, 1);
  CHECK_EQ(stats.optimal_in_flight, 32);
  CHECK(stats.optimal_batch_size > 0);
  CHECK(stats.p99_latency_ms > 0.0 && stats.p99_latency_ms < 60000.0);
  CHECK(stats.current_throughput_bps >= 0.0);
  CHECK_EQ(stats.adaptive_spills, 0);
  aura_ring_stats_t ring;
  CHECK_EQ(aura_get_ring_stats(engine, 0, &ring, sizeof ring), 0);
  CHECK_EQ(ring.ops_completed, 100);
  CHECK_EQ(ring.bytes_transferred, 100 * (int)sizeof sink);
  CHECK_EQ(ring.pending_count, 0);
  CHECK_EQ(ring.peak_in_flight, 1);
  CHECK_EQ(ring.queue_depth, 32);
  CHECK_EQ(ring.in_flight_limit, 32);
  CHECK(ring.batch_threshold > 0);
  CHECK(ring.p99_latency_ms > 0.0);
  CHECK(ring.aimd_phase >= 0 && ring.aimd_phase <= AURA_PHASE_PASSTHROUGH);
  aura_destroy(engine);
}

TEST(structs_of_statistics_may_be_shorter_and_longer) {
  aura_engine_t *engine = experienced(1);
  struct {
    aura_stats_t known;
    unsigned char beyond[16];
  } newer;
  memset(&newer, 0xee, sizeof newer);
  CHECK_EQ(aura_get_stats(engine, &newer.known, offsetof(aura_stats_t, current_throughput_bps)), 0);
  CHECK_EQ(newer.known.ops_completed, 100);
  unsigned char untouched[sizeof newer - offsetof(aura_stats_t, current_throughput_bps)];
  memset(untouched, 0xee, sizeof untouched);
  CHECK_EQ(memcmp(&newer.known.current_throughput_bps, untouched, sizeof untouched), 0);
  CHECK_FAILS(aura_get_stats(engine, &newer.known, sizeof newer), -1, E2BIG);
  CHECK_EQ(memcmp(&newer.known.current_throughput_bps, untouched, sizeof untouched), 0);
  memset(&newer, 0, sizeof newer);
  CHECK_EQ(aura_get_stats(engine, &newer.known, sizeof newer), 0);
  CHECK_EQ(newer.known.ops_completed, 100);
  CHECK_FAILS(aura_get_stats(engine, &newer.known, SIZE_MAX), -1, E2BIG);
  CHECK_FAILS(aura_get_stats(engine, &newer.known, 0), -1, EINVAL);
  CHECK_FAILS(aura_get_stats(engine, NULL, sizeof newer.known), -1, EINVAL);

  aura_ring_stats_t ring;
  CHECK_EQ(aura_get_ring_stats(engine, 0, &ring, 8), 0);
  CHECK_EQ(ring.ops_completed, 100);
  CHECK_FAILS(aura_get_ring_stats(engine, 0, &ring, SIZE_MAX), -1, E2BIG);
  CHECK_FAILS(aura_get_ring_stats(engine, 0, &ring, 0), -1, EINVAL);
  CHECK_FAILS(aura_get_ring_stats(engine, 0, NULL, sizeof ring), -1, EINVAL);
  aura_buffer_stats_t pool;
  CHECK_EQ(aura_get_buffer_stats(engine, &pool, sizeof(size_t)), 0);
  CHECK_FAILS(aura_get_buffer_stats(engine, &pool, 0), -1, EINVAL);
  CHECK_FAILS(aura_get_buffer_stats(engine, NULL, sizeof pool), -1, EINVAL);
  CHECK_FAILS(aura_get_buffer_stats(engine, &pool, SIZE_MAX / 2), -1, E2BIG);
  aura_destroy(engine);
}

TEST(without_such_a_ring_the_struct_is_zeroed) {
  aura_engine_t *engine = experienced(2);
  CHECK_EQ(aura_get_ring_count(engine), 2);
  const int bad[] = {-1, 2, 2147483647, -2147483647 - 1};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    aura_ring_stats_t ring, zeros;
    memset(&zeros, 0, sizeof zeros);
    memset(&ring, 0xee, sizeof ring);
    CHECK_FAILS(aura_get_ring_stats(engine, bad[i], &ring, sizeof ring), -1, EINVAL);
    CHECK_EQ(memcmp(&ring, &zeros, sizeof ring), 0);
    static aura_histogram_t histogram, none;
    memset(&histogram, 0xee, sizeof histogram);
    CHECK_FAILS(aura_get_histogram(engine, bad[i], &histogram, sizeof histogram), -1, EINVAL);
    CHECK_EQ(memcmp(&histogram, &none, sizeof none), 0);
  }
  aura_destroy(engine);
}

TEST(a_histogram_holds_every_latency) {
  aura_engine_t *engine = experienced(1);
  aura_histogram_t histogram;
  CHECK_EQ(aura_get_histogram(engine, 0, &histogram, sizeof histogram), 0);
  uint32_t sum = histogram.overflow;
  for (int i = 0; i < AURA_HISTOGRAM_BUCKETS; i++) {
    sum += histogram.buckets[i];
  }
  CHECK_EQ(sum, 100);
  CHECK_EQ(histogram.total_count, 100);
  CHECK_EQ(histogram.tier_count, AURA_HISTOGRAM_TIER_COUNT);
  CHECK_EQ(histogram.max_tracked_us, AURA_HISTOGRAM_MAX_US);
  static const int start[] = {0, 1000, 5000, 20000}, width[] = {10, 50, 250, 1000}, base[] = {0, 100, 180, 240};
  CHECK_EQ(memcmp(histogram.tier_start_us, start, sizeof start), 0);
  CHECK_EQ(memcmp(histogram.tier_width_us, width, sizeof width), 0);
  CHECK_EQ(memcmp(histogram.tier_base_bucket, base, sizeof base), 0);
  const double median = aura_histogram_percentile(&histogram, 50.0), p99 = aura_histogram_percentile(&histogram, 99.0);
  CHECK(median > 0.0 && median <= p99);
  CHECK_FAILS(aura_get_histogram(engine, 0, NULL, sizeof histogram), -1, EINVAL);
  CHECK_FAILS(aura_get_histogram(engine, 0, &histogram, 0), -1, EINVAL);
  CHECK_FAILS(aura_get_histogram(engine, 0, &histogram, SIZE_MAX), -1, E2BIG);
  aura_histogram_t part;
  memset(&part, 0xee, sizeof part);
  CHECK_EQ(aura_get_histogram(engine, 0, &part, sizeof part.buckets), 0);
  CHECK_EQ(memcmp(part.buckets, histogram.buckets, sizeof part.buckets), 0);
  CHECK_EQ(part.overflow, 0xeeeeeeeeu);
  aura_destroy(engine);
}

static bool near(double left, double right, double width) { return left - right <= width && right - left <= width; }

TEST(percentiles_come_from_the_counts) {
  static aura_histogram_t histogram;
  CHECK(near(aura_histogram_percentile(&histogram, 50.0), -1.0, 0.0)); /* Empty. */
  CHECK(near(aura_histogram_percentile(NULL, 50.0), -1.0, 0.0));
  histogram.buckets[0] = 50;   /* 0 to 10 us */
  histogram.buckets[99] = 40;  /* 990 to 1000 us */
  histogram.buckets[240] = 9;  /* 20 to 21 ms */
  histogram.overflow = 1;
  CHECK(near(aura_histogram_percentile(&histogram, 25.0), 0.005, 0.005));
  CHECK(near(aura_histogram_percentile(&histogram, 75.0), 0.995, 0.005));
  CHECK(near(aura_histogram_percentile(&histogram, 95.0), 20.5, 0.5));
  CHECK(near(aura_histogram_percentile(&histogram, 100.0), 100.0, 0.0));
  CHECK(aura_histogram_percentile(&histogram, 0.0) >= 0.0);
  CHECK(near(aura_histogram_percentile(&histogram, -0.1), -1.0, 0.0));
  CHECK(near(aura_histogram_percentile(&histogram, 100.1), -1.0, 0.0));
  CHECK(near(aura_histogram_percentile(&histogram, (double)__builtin_nanf("")), -1.0, 0.0));
  /* What the struct says of itself is not trusted. */
  histogram.tier_count = 1 << 30;
  histogram.tier_base_bucket[1] = -5;
  histogram.total_count = UINT32_MAX;
  CHECK(near(aura_histogram_percentile(&histogram, 75.0), 0.995, 0.005));
  memset(histogram.buckets, 0xff, sizeof histogram.buckets);
  CHECK(aura_histogram_percentile(&histogram, 50.0) > 0.0);
}

TEST(buckets_have_bounds) {
  static const aura_histogram_t histogram;
  CHECK_EQ(aura_histogram_bucket_upper_bound_us(&histogram, 0), 10);
  CHECK_EQ(aura_histogram_bucket_upper_bound_us(&histogram, 99), 1000);
  CHECK_EQ(aura_histogram_bucket_upper_bound_us(&histogram, 100), 1050);
  CHECK_EQ(aura_histogram_bucket_upper_bound_us(&histogram, 179), 5000);
  CHECK_EQ(aura_histogram_bucket_upper_bound_us(&histogram, 239), 20000);
  CHECK_EQ(aura_histogram_bucket_upper_bound_us(&histogram, 319), 100000);
  CHECK_EQ(aura_histogram_bucket_upper_bound_us(&histogram, 320), 0);
  CHECK_EQ(aura_histogram_bucket_upper_bound_us(&histogram, -1), 0);
  CHECK_EQ(aura_histogram_bucket_upper_bound_us(NULL, 5), 0);
}

TEST(phases_have_names) {
  static const char *names[] = {"BASELINE", "PROBING", "STEADY", "BACKOFF", "SETTLING", "CONVERGED", "PASSTHROUGH"};
  for (int phase = AURA_PHASE_BASELINE; phase <= AURA_PHASE_PASSTHROUGH; phase++) {
    CHECK_STR(aura_phase_name(phase), names[phase]);
  }
  CHECK_STR(aura_phase_name(-1), "UNKNOWN");
  CHECK_STR(aura_phase_name(7), "UNKNOWN");
  CHECK_STR(aura_phase_name(2147483647), "UNKNOWN");
}

TEST(an_adaptive_engine_begins_by_watching) {
  aura_engine_t *engine = aura_create();
  CHECK(engine != NULL);
  aura_ring_stats_t ring;
  CHECK_EQ(aura_get_ring_stats(engine, 0, &ring, sizeof ring), 0);
  CHECK_EQ(ring.aimd_phase, AURA_PHASE_PASSTHROUGH);
  CHECK_EQ(ring.queue_depth, 1024);
  aura_destroy(engine);
}

TEST(settings_are_changed_at_run_time) {
  aura_engine_t *engine = small_engine();
  CHECK_EQ(aura_set_max_p99_latency(engine, 2.5), 0);
  CHECK_EQ(aura_set_max_p99_latency(engine, 0.0), 0);
  CHECK_FAILS(aura_set_max_p99_latency(engine, -1.0), -1, EINVAL);
  CHECK_FAILS(aura_set_max_p99_latency(engine, (double)__builtin_inff()), -1, EINVAL);
  CHECK_FAILS(aura_set_max_p99_latency(engine, (double)__builtin_nanf("")), -1, EINVAL);
  CHECK_EQ(aura_set_min_in_flight(engine, 1), 0);
  CHECK_EQ(aura_set_min_in_flight(engine, 64), 0);
  CHECK_FAILS(aura_set_min_in_flight(engine, 0), -1, EINVAL);
  CHECK_FAILS(aura_set_min_in_flight(engine, -4), -1, EINVAL);
  CHECK_FAILS(aura_set_min_in_flight(engine, 65), -1, EINVAL);
  CHECK_EQ(aura_set_batch_threshold(engine, 7), 0);
  aura_stats_t stats;
  CHECK_EQ(aura_get_stats(engine, &stats, sizeof stats), 0);
  CHECK_EQ(stats.optimal_batch_size, 7);
  aura_ring_stats_t ring;
  CHECK_EQ(aura_get_ring_stats(engine, 0, &ring, sizeof ring), 0);
  CHECK_EQ(ring.batch_threshold, 7);
  CHECK_EQ(aura_set_batch_threshold(engine, 0), 0);
  CHECK_FAILS(aura_set_batch_threshold(engine, -1), -1, EINVAL);
  CHECK_FAILS(aura_set_batch_threshold(engine, 65), -1, EINVAL);
  aura_destroy(engine);
}
