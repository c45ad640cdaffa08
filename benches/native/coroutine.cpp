// The row cpp-coroutine: as many coroutines as operations in flight, each reading, checking and reading again.
#include <aura.hpp>

#include "job.h"

#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

namespace {

class Coroutines {
public:
  explicit Coroutines(const setup &setup) : engine_(options(setup.is_single)), file_(setup.file), job_(job_new(&setup)) {
    for (std::size_t i = 0; i < setup.depth; i++) {
      buffers_.push_back(engine_.allocate_buffer(block_bytes));
    }
  }

  std::int64_t turn(const host &host) {
    job_.host = &host;
    operations_ = 0;
    is_over_ = false;
    std::vector<aura::Task<>> loops;
    loops.reserve(buffers_.size());
    for (aura::Buffer &buffer : buffers_) {
      loops.push_back(read_on(buffer));
    }
    for (aura::Task<> &loop : loops) {
      loop.resume();
    }
    while (reading_ > 0) {
      engine_.wait();
      is_over_ = is_over_ || !host.goes_on(host.context);
    }
    for (aura::Task<> &loop : loops) {
      loop.get();
    }
    return operations_;
  }

private:
  static aura::Options options(bool is_single) {
    aura::Options options; // As the other rows.
    options.disable_adaptive().initial_in_flight(0).single_thread(is_single).ring_count(is_single ? 1 : 0);
    return options;
  }

  aura::Task<> read_on(aura::Buffer &buffer) {
    reading_++;
    while (!is_over_) {
      const std::uint64_t offset = job_draw(&job_);
      const ssize_t bytes = co_await engine_.async_read(file_, buffer, block_bytes, static_cast<off_t>(offset));
      operations_++;
      if (!job_check(&job_, offset, buffer.data(), bytes)) {
        is_over_ = true;
      }
    }
    reading_--;
  }

  aura::Engine engine_;
  int file_;
  job job_;
  std::vector<aura::Buffer> buffers_;
  std::size_t reading_ = 0;
  std::int64_t operations_ = 0;
  bool is_over_ = false;
};

} // namespace

extern "C" {

/// Null if there can be no engine.
Coroutines *bench_coroutines_new(const setup *setup) {
  try {
    return std::make_unique<Coroutines>(*setup).release();
  } catch (const std::exception &) {
    return nullptr;
  }
}

/// Operations, or -1 if one of them failed.
std::int64_t bench_coroutines_turn(Coroutines *row, const host *host) {
  try {
    return row->turn(*host);
  } catch (const std::exception &) {
    return -1;
  }
}

void bench_coroutines_delete(Coroutines *row) { delete row; }
}
