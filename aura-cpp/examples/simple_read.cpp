// Reads a file piece by piece: open, ask for the size, read, close. Without argument, a sample.
#include "support.hpp"

static aura::Task<std::uint64_t> read_through(aura::Engine &engine, const char *path) {
  const int fd = co_await engine.async_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  struct statx about {};
  co_await engine.async_statx(fd, "", AURA_AT_EMPTY_PATH, AURA_STATX_SIZE, &about);
  aura::Buffer piece = engine.allocate_buffer(65536);
  std::uint64_t offset = 0;
  for (;;) {
    const ssize_t bytes = co_await engine.async_read(fd, piece, piece.size(), static_cast<off_t>(offset));
    if (bytes == 0) {
      break;
    }
    offset += static_cast<std::uint64_t>(bytes);
  }
  co_await engine.async_close(fd);
  ensure(offset == about.stx_size, "everything is read");
  co_return offset;
}

int main(int argc, char **argv) {
  return example([&] {
    const TemporaryFile sample(1000000);
    aura::Engine engine;
    const char *path = argc > 1 ? argv[1] : sample.path().c_str();
    const auto bytes = aura::sync_wait(engine, read_through(engine, path));
    std::printf("%s: %llu bytes\n", path, static_cast<unsigned long long>(bytes));
    try {
      aura::sync_wait(engine, read_through(engine, "/nonexistent/file"));
      ensure(false, "there is no such file");
    } catch (const aura::Error &error) {
      ensure(error.is_not_found(), "the reason");
      std::printf("%s\n", error.what());
    }
  });
}
