// The row cpp-coroutine: as many coroutines as operations in flight, each reading, checking and reading again.
//
// The offsets and the checks are the other rows', so that only what is measured differs.
#include <aura.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

namespace {

extern "C" struct host_t {
  void *context;
  /// Whether to go on after a whole block was read.
  bool (*check)(void *context, std::uint64_t offset, const void *block);
  /// Notes that less was read.
  void (*fall_short)(void *context, std::uint64_t offset, ssize_t bytes);
  bool (*goes_on)(void *context);
};

constexpr std::size_t block_bytes = 4096;

/// `RandomBlocks` of Rust, written again because it is inlined in the other rows.
class RandomBlocks {
public:
  RandomBlocks(std::uint64_t file_bytes, std::uint64_t seed) : blocks_(file_bytes / block_bytes), drawn_(mix(seed)) {}

  off_t draw() {
    drawn_++;
    __extension__ using Wide = unsigned __int128;
    return static_cast<off_t>(static_cast<std::uint64_t>((Wide(mix(drawn_)) * blocks_) >> 64) * block_bytes);
  }

private:
  static std::uint64_t mix(std::uint64_t number) {
    std::uint64_t z = number + 0x9e37'79b9'7f4a'7c15;
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31);
  }

  std::uint64_t blocks_;
  std::uint64_t drawn_;
};

class Coroutines {
public:
  Coroutines(int file, std::uint64_t file_bytes, std::size_t depth, bool is_single)
      : engine_(options(is_single)), file_(file), random_(file_bytes, 1) {
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
      const off_t offset = random_.draw();
      const ssize_t bytes = co_await engine_.async_read(file_, buffer, block_bytes, offset);
      operations_++;
      if (bytes != static_cast<ssize_t>(block_bytes)) {
        host.fall_short(host.context, static_cast<std::uint64_t>(offset), bytes);
        is_over_ = true;
      } else if (!host.check(host.context, static_cast<std::uint64_t>(offset), buffer.data())) {
        is_over_ = true;
      }
    }
  }

  aura::Engine engine_;
  int file_;
  RandomBlocks random_;
  std::vector<aura::Buffer> buffers_;
  std::uint64_t operations_ = 0;
  bool is_over_ = false;
};

} // namespace

extern "C" {

/// Null if there can be no engine.
Coroutines *bench_coroutines_new(int file, std::uint64_t file_bytes, std::size_t depth, bool is_single) {
  try {
    return std::make_unique<Coroutines>(file, file_bytes, depth, is_single).release();
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
