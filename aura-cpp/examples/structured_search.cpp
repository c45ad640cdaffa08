// Structured concurrency: which of several files has a word? A scope counts them all; when_any asks two copies of a
// block for the same bytes, takes the first answer, and cancels the other.
#include "support.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>

using namespace std::chrono_literals;

constexpr std::string_view word = "needle";

static aura::Task<> search(aura::Engine &engine, int fd, int &found) {
  aura::Buffer buffer = engine.allocate_buffer(1 << 16);
  const auto bytes = static_cast<std::size_t>(co_await engine.async_read(fd, buffer, buffer.size(), 0));
  const auto text = buffer.as<char>().first(bytes);
  found += std::search(text.begin(), text.end(), word.begin(), word.end()) != text.end();
}

static aura::Task<std::size_t> read_block(aura::Engine &engine, int fd) {
  aura::Buffer buffer = engine.allocate_buffer(4096);
  co_return static_cast<std::size_t>(co_await engine.async_read(fd, buffer, buffer.size(), 0));
}

static aura::Task<> example_task(aura::Engine &engine, std::span<const TemporaryFile> files, int silent) {
  int found = 0;
  aura::async_scope scope(engine);
  for (const TemporaryFile &file : files) {
    scope.spawn(search(engine, file.fd(), found));
  }
  co_await scope.join(); // Every search has ended; if one had failed, this would say so.
  std::printf("%d of %zu files have it\n", found, files.size());
  ensure(found == 2, "two of them");

  const auto first = co_await aura::when_any(read_block(engine, silent), read_block(engine, files[0].fd()));
  std::printf("copy %zu answered first\n", first.index);
  ensure(first.index == 1, "the other one never answers, and was cancelled");

  try {
    co_await aura::timeout(20ms, read_block(engine, silent));
    ensure(false, "nobody answers");
  } catch (const aura::Error &error) {
    std::printf("alone: %s\n", error.what());
    ensure(error.code() == ETIMEDOUT, "the time is up");
  }
}

int main() {
  return example([] {
    const TemporaryFile files[4];
    for (const std::size_t i : {1u, 3u}) {
      ensure(::pwrite(files[i].fd(), word.data(), word.size(), 100) == static_cast<ssize_t>(word.size()), "writing");
    }
    int pipe[2]; // A source that never answers.
    ensure(::pipe(pipe) == 0, "a pipe");
    aura::Engine engine;
    aura::sync_wait(engine, example_task(engine, files, pipe[0]));
    ::close(pipe[0]);
    ::close(pipe[1]);
  });
}
