// Statistics: snapshots of what the engine counts and measures.
#ifndef AURA_STATS_HPP
#define AURA_STATS_HPP

#include <aura/detail/config.hpp>

#include <cstddef>
#include <cstdint>

namespace aura {

/// Totals of an engine; aura_stats_t says what each figure is.
class Stats {
public:
  Stats() noexcept = default;
  explicit Stats(const aura_stats_t &stats) noexcept : stats_(stats) {}

  [[nodiscard]] std::int64_t ops_completed() const noexcept { return stats_.ops_completed; }
  [[nodiscard]] std::int64_t bytes_transferred() const noexcept { return stats_.bytes_transferred; }
  [[nodiscard]] double throughput_bps() const noexcept { return stats_.current_throughput_bps; }
  [[nodiscard]] double p99_latency_ms() const noexcept { return stats_.p99_latency_ms; }
  [[nodiscard]] int current_in_flight() const noexcept { return stats_.current_in_flight; }
  [[nodiscard]] int peak_in_flight() const noexcept { return stats_.peak_in_flight; }
  [[nodiscard]] int optimal_in_flight() const noexcept { return stats_.optimal_in_flight; }
  [[nodiscard]] int optimal_batch_size() const noexcept { return stats_.optimal_batch_size; }
  [[nodiscard]] std::uint64_t adaptive_spills() const noexcept { return stats_.adaptive_spills; }
  [[nodiscard]] const aura_stats_t &c_stats() const & noexcept { return stats_; }
  [[nodiscard]] aura_stats_t c_stats() const && noexcept { return stats_; }

private:
  aura_stats_t stats_{};
};

/// One ring; aura_ring_stats_t says what each figure is.
class RingStats {
public:
  RingStats() noexcept = default;
  RingStats(const aura_ring_stats_t &stats, int index) noexcept : stats_(stats), index_(index) {}

  [[nodiscard]] std::int64_t ops_completed() const noexcept { return stats_.ops_completed; }
  [[nodiscard]] std::int64_t bytes_transferred() const noexcept { return stats_.bytes_transferred; }
  [[nodiscard]] int pending_count() const noexcept { return stats_.pending_count; }
  [[nodiscard]] int peak_in_flight() const noexcept { return stats_.peak_in_flight; }
  [[nodiscard]] int in_flight_limit() const noexcept { return stats_.in_flight_limit; }
  [[nodiscard]] int batch_threshold() const noexcept { return stats_.batch_threshold; }
  [[nodiscard]] double p99_latency_ms() const noexcept { return stats_.p99_latency_ms; }
  [[nodiscard]] double throughput_bps() const noexcept { return stats_.throughput_bps; }
  [[nodiscard]] int aimd_phase() const noexcept { return stats_.aimd_phase; }
  [[nodiscard]] const char *aimd_phase_name() const noexcept { return aura_phase_name(stats_.aimd_phase); }
  [[nodiscard]] int queue_depth() const noexcept { return stats_.queue_depth; }
  [[nodiscard]] int ring_index() const noexcept { return index_; }
  [[nodiscard]] const aura_ring_stats_t &c_stats() const & noexcept { return stats_; }
  [[nodiscard]] aura_ring_stats_t c_stats() const && noexcept { return stats_; }

private:
  aura_ring_stats_t stats_{};
  int index_ = 0;
};

/// Recent latencies of a ring, counted in buckets of four widths.
class Histogram {
public:
  static constexpr int bucket_count = AURA_HISTOGRAM_BUCKETS;

  Histogram() noexcept = default;
  explicit Histogram(const aura_histogram_t &histogram) noexcept : histogram_(histogram) {}

  /// Operations in a bucket; 0 if there is no such bucket.
  [[nodiscard]] std::uint32_t bucket(int idx) const noexcept { return is_bucket(idx) ? histogram_.buckets[idx] : 0; }
  [[nodiscard]] std::uint32_t overflow() const noexcept { return histogram_.overflow; }
  [[nodiscard]] std::uint32_t total_count() const noexcept { return histogram_.total_count; }
  [[nodiscard]] int max_tracked_us() const noexcept { return histogram_.max_tracked_us; }
  /// Shortest latency that a bucket counts, in microseconds; 0 if there is no such bucket.
  [[nodiscard]] int bucket_lower_us(int idx) const noexcept {
    if (!is_bucket(idx)) {
      return 0;
    }
    int tier = histogram_.tier_count - 1;
    while (tier > 0 && idx < histogram_.tier_base_bucket[tier]) {
      tier--;
    }
    return tier < 0 ? 0 : histogram_.tier_start_us[tier] + (idx - histogram_.tier_base_bucket[tier]) * histogram_.tier_width_us[tier];
  }
  /// Where the next bucket begins, in microseconds; 0 if there is no such bucket.
  [[nodiscard]] int bucket_upper_us(int idx) const noexcept {
    return aura_histogram_bucket_upper_bound_us(&histogram_, idx);
  }
  /// Milliseconds that so many percent (0 to 100) did not exceed; -1.0 if empty or out of range.
  [[nodiscard]] double percentile(double pct) const noexcept { return aura_histogram_percentile(&histogram_, pct); }
  [[nodiscard]] const aura_histogram_t &c_histogram() const & noexcept { return histogram_; }
  [[nodiscard]] aura_histogram_t c_histogram() const && noexcept { return histogram_; }

private:
  static constexpr bool is_bucket(int idx) noexcept { return idx >= 0 && idx < bucket_count; }

  aura_histogram_t histogram_{};
};

/// The buffer pool.
class BufferStats {
public:
  BufferStats() noexcept = default;
  explicit BufferStats(const aura_buffer_stats_t &stats) noexcept : stats_(stats) {}

  [[nodiscard]] std::size_t total_allocated_bytes() const noexcept { return stats_.total_allocated_bytes; }
  [[nodiscard]] std::size_t total_buffers() const noexcept { return stats_.total_buffers; }
  [[nodiscard]] int shard_count() const noexcept { return stats_.shard_count; }
  [[nodiscard]] const aura_buffer_stats_t &c_stats() const & noexcept { return stats_; }
  [[nodiscard]] aura_buffer_stats_t c_stats() const && noexcept { return stats_; }

private:
  aura_buffer_stats_t stats_{};
};

} // namespace aura

#endif
