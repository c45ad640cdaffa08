// The smallest program: one read, with a callback and with a coroutine.
#include "support.hpp"

static aura::Task<ssize_t> first_block(aura::Engine &engine, int fd) {
  aura::Buffer buffer = engine.allocate_buffer(4096);
  co_return co_await engine.async_read(fd, buffer, buffer.size(), 0);
}

int main() {
  return example([] {
    const TemporaryFile file(4096);
    aura::Engine engine;

    ssize_t result = -1;
    aura::Buffer buffer = engine.allocate_buffer(4096);
    auto request = engine.read(file.fd(), buffer, 4096, 0, [&](aura::Request &, ssize_t bytes) { result = bytes; });
    engine.wait(); // The callback runs in here.
    std::printf("a callback: %zd bytes; %s\n", result, request.pending() ? "in flight" : "over");
    ensure(result == 4096 && is_sample(buffer.span(), 0), "the block");

    result = aura::sync_wait(engine, first_block(engine, file.fd()));
    std::printf("a coroutine: %zd bytes\n", result);
    ensure(result == 4096, "the block");
  });
}
