// An engine with settings of its own, its statistics, and settings changed while it runs.
#include "support.hpp"

int main() {
  return example([] {
    constexpr std::size_t block_bytes = 4096, blocks = 1024, readers = 64, reads_each = 32;
    const TemporaryFile file(blocks * block_bytes);
    aura::Engine engine(aura::Options().ring_count(2).queue_depth(64).max_p99_latency_ms(5.0).ring_select(aura::RingSelect::RoundRobin));
    ensure(aura::Engine::create(aura::Options().queue_depth(-1)).code() == EINVAL, "nonsense is refused");

    const auto reader = [](aura::Engine &io, int fd, std::size_t number) -> aura::Task<> {
      aura::Buffer block = io.allocate_buffer(block_bytes);
      for (std::size_t i = 0; i < reads_each; i++) {
        const std::size_t offset = (number * reads_each + i) * 7919 % blocks * block_bytes;
        co_await io.async_read(fd, block, block_bytes, static_cast<off_t>(offset));
        ensure(is_sample(block.span(), offset), "the block");
      }
    };
    std::vector<aura::Task<>> tasks;
    for (std::size_t i = 0; i < readers; i++) {
      tasks.push_back(reader(engine, file.fd(), i));
    }
    engine.set_max_p99_latency(2.0);
    engine.set_batch_threshold(8);
    aura::sync_wait(engine, aura::when_all(std::move(tasks)));

    const aura::Stats stats = engine.get_stats();
    std::printf("%lld operations, p99 %.3f ms, at most %d in flight\n", static_cast<long long>(stats.ops_completed()),
                stats.p99_latency_ms(), stats.peak_in_flight());
    ensure(stats.ops_completed() == readers * reads_each, "the total");
    for (int ring = 0; ring < engine.ring_count(); ring++) {
      const aura::RingStats one = engine.get_ring_stats(ring);
      std::printf("ring %d: %lld operations, limit %d, %s, median %.3f ms\n", ring, static_cast<long long>(one.ops_completed()),
                  one.in_flight_limit(), one.aimd_phase_name(), engine.get_histogram(ring).percentile(50));
      ensure(one.ops_completed() > 0, "the rings take turns");
    }
  });
}
