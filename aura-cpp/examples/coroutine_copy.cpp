// Copies a file with a coroutine, by hand and with copy_file. Arguments: from, to; without, a sample.
#include "support.hpp"

static aura::Task<off_t> copy_by_hand(aura::Engine &engine, int from, int to) {
  aura::Buffer buffer = engine.allocate_buffer(1 << 17);
  off_t offset = 0;
  for (;;) {
    const ssize_t bytes = co_await engine.async_read(from, buffer, buffer.size(), offset);
    if (bytes == 0) {
      break;
    }
    co_await aura::write_all(engine, to, buffer.span().first(static_cast<std::size_t>(bytes)), offset);
    offset += bytes;
  }
  co_await engine.async_fdatasync(to);
  co_return offset;
}

int main(int argc, char **argv) {
  return example([&] {
    aura::Engine engine;
    if (argc == 3) {
      const auto bytes = aura::sync_wait(engine, aura::copy_file(engine, argv[1], argv[2]));
      std::printf("%llu bytes\n", static_cast<unsigned long long>(bytes));
      return;
    }
    constexpr std::size_t bytes = 5'000'000;
    const TemporaryFile from(bytes), by_hand, whole;
    ensure(aura::sync_wait(engine, copy_by_hand(engine, from.fd(), by_hand.fd())) == bytes, "copied by hand");
    ensure(aura::sync_wait(engine, aura::copy_file(engine, from.path(), whole.path())) == bytes, "copied as a whole");
    for (const auto *copy : {&by_hand, &whole}) {
      const auto found = aura::sync_wait(engine, aura::read_file(engine, copy->path()));
      ensure(found.size() == bytes && is_sample(found, 0), "the copy is the same");
    }
    std::printf("%zu bytes, twice\n", bytes);
  });
}
