// The row cpp-coroutine: as many coroutines as operations in flight, each reading, checking and reading again.
//
// The numbers and the checks are the other rows' (host_t), so that only what is measured differs.
#include <aura.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

namespace {

extern "C" struct host_t {
  void *context;
  std::uint64_t (*draw)(void *context);
  /// Whether to go on.
  bool (*check)(void *context, std::uint64_t offset, const void *block, ssize_t bytes);
  bool (*goes_on)(void *context);
};

constexpr std::size_t block_bytes = 4096;

class Coroutines {
public:
  Coroutines(int file, std::size_t depth, bool is_single) : engine_(options(is_single)), file_(file) {
    for (std::size_t i = 0; i < depth; i++) {
      buffers_.push_back(engine_.allocate_buffer(block_bytes));
    }
  }

  std::uint64_t turn(const host_t &host) {
    operations_ = 0;
    is_over_ = false;
    std::vector<aura::Task<>> loops;
    loops.reserve(buffers_.size());
    for (aura::Buffer &buffer : buffers_) {
      loops.push_back(read_on(host, buffer));
    }
    for (aura::Task<> &loop : loops) {
      loop.resume();
    }
    while (engine_.pending_count() > 0) {
      engine_.wait(-1);
      is_over_ = is_over_ || !host.goes_on(host.context);
    }
    for (aura::Task<> &loop : loops) {
      loop.get();
    }
    return operations_;
  }

private:
  static aura::Options options(bool is_single) {
    aura::Options options; // As the rows of c_callback.
    options.disable_adaptive().initial_in_flight(0).single_thread(is_single).ring_count(is_single ? 1 : 0);
    return options;
  }

  aura::Task<> read_on(const host_t &host, aura::Buffer &buffer) {
    while (!is_over_) {
      const std::uint64_t offset = host.draw(host.context);
      const ssize_t bytes = co_await engine_.async_read(file_, buffer, block_bytes, static_cast<off_t>(offset));
      operations_++;
      is_over_ = !host.check(host.context, offset, buffer.data(), bytes) || is_over_;
    }
  }

  aura::Engine engine_;
  int file_;
  std::vector<aura::Buffer> buffers_;
  std::uint64_t operations_ = 0;
  bool is_over_ = false;
};

} // namespace

extern "C" {

/// Null if there can be no engine.
Coroutines *bench_coroutines_new(int file, std::size_t depth, bool is_single) {
  try {
    return std::make_unique<Coroutines>(file, depth, is_single).release();
  } catch (const std::exception &) {
    return nullptr;
  }
}

/// Operations, or -1 if one of them failed.
std::int64_t bench_coroutines_turn(Coroutines *row, const host_t *host) {
  try {
    return static_cast<std::int64_t>(row->turn(*host));
  } catch (const std::exception &) {
    return -1;
  }
}

void bench_coroutines_delete(Coroutines *row) { delete row; }
}
