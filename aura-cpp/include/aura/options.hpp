// aura::Options: settings of an engine.
#ifndef AURA_OPTIONS_HPP
#define AURA_OPTIONS_HPP

#include <aura/detail/config.hpp>

#include <cstddef>

namespace aura {

/// How a ring is chosen for a submission.
enum class RingSelect {
  /// The ring of the CPU that submits, as long as it is not congested.
  Adaptive = AURA_SELECT_ADAPTIVE,
  /// The ring of the CPU that submits, always.
  CpuLocal = AURA_SELECT_CPU_LOCAL,
  /// One ring after the other.
  RoundRobin = AURA_SELECT_ROUND_ROBIN,
};

/// Settings, to be chained: `Options().queue_depth(512).ring_count(4)`. Nothing is checked here: an engine
/// that cannot be made of them throws Error(EINVAL), and the log says which setting makes no sense.
///
/// Settings are asked for with the same names, without an argument. The three that are switched on without an argument
/// (disable_adaptive, enable_sqpoll, single_thread) have to be asked for on constant options: `std::as_const(options)`.
class Options {
public:
  Options() noexcept { aura_options_init(&options_); }

  /// Entries of each ring's queue (default 1024).
  Options &queue_depth(int depth) noexcept { return options_.queue_depth = depth, *this; }
  /// Rings; 0 (default): one per CPU.
  Options &ring_count(int count) noexcept { return options_.ring_count = count, *this; }
  /// In-flight limit to begin with; for good with disable_adaptive(). 0: a quarter of the depth.
  Options &initial_in_flight(int limit) noexcept { return options_.initial_in_flight = limit, *this; }
  /// The limit never falls below this (default 4).
  Options &min_in_flight(int limit) noexcept { return options_.min_in_flight = limit, *this; }
  /// Milliseconds that 99 % of reads and writes shall stay under; 0 (default): best throughput.
  Options &max_p99_latency_ms(double ms) noexcept { return options_.max_p99_latency_ms = ms, *this; }
  /// Alignment of Engine::allocate_buffer() in bytes (default: a page).
  Options &buffer_alignment(std::size_t align) noexcept { return options_.buffer_alignment = align, *this; }
  /// Leave the in-flight limit alone.
  Options &disable_adaptive(bool disable = true) noexcept { return options_.disable_adaptive = disable, *this; }
  /// Let a kernel thread per ring pick up submissions.
  Options &enable_sqpoll(bool enable = true) noexcept { return options_.enable_sqpoll = enable, *this; }
  /// Milliseconds without work after which those threads sleep.
  Options &sqpoll_idle_ms(int ms) noexcept { return options_.sqpoll_idle_ms = ms, *this; }
  /// How a ring is chosen.
  Options &ring_select(RingSelect mode) noexcept {
    return options_.ring_select = static_cast<aura_ring_select_t>(mode), *this;
  }
  /// One thread does everything, so no locks are needed.
  Options &single_thread(bool enable = true) noexcept { return options_.single_thread = enable, *this; }

  [[nodiscard]] int queue_depth() const noexcept { return options_.queue_depth; }
  [[nodiscard]] int ring_count() const noexcept { return options_.ring_count; }
  [[nodiscard]] int initial_in_flight() const noexcept { return options_.initial_in_flight; }
  [[nodiscard]] int min_in_flight() const noexcept { return options_.min_in_flight; }
  [[nodiscard]] double max_p99_latency_ms() const noexcept { return options_.max_p99_latency_ms; }
  [[nodiscard]] std::size_t buffer_alignment() const noexcept { return options_.buffer_alignment; }
  [[nodiscard]] bool disable_adaptive() const noexcept { return options_.disable_adaptive; }
  [[nodiscard]] bool enable_sqpoll() const noexcept { return options_.enable_sqpoll; }
  [[nodiscard]] int sqpoll_idle_ms() const noexcept { return options_.sqpoll_idle_ms; }
  [[nodiscard]] RingSelect ring_select() const noexcept { return static_cast<RingSelect>(options_.ring_select); }
  [[nodiscard]] bool single_thread() const noexcept { return options_.single_thread; }

  /// The struct of the C interface.
  [[nodiscard]] const aura_options_t &c_options() const noexcept { return options_; }

private:
  aura_options_t options_;
};

} // namespace aura

#endif
