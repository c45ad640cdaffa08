// Three ways to have data on the disk: written and synchronised afterwards, past the page cache (O_DIRECT), and with the
// space allocated beforehand.
#include "support.hpp"

constexpr std::size_t block_bytes = 4096, blocks = 64;

static aura::Task<> write_block(aura::Engine &engine, int fd, std::size_t number) {
  aura::Buffer block = engine.allocate_buffer(block_bytes); // Aligned as O_DIRECT wants it.
  const auto offset = number * block_bytes;
  fill_sample(block.span(), offset);
  const ssize_t bytes = co_await engine.async_write(fd, block, block_bytes, static_cast<off_t>(offset));
  ensure(bytes == static_cast<ssize_t>(block_bytes), "a block is written as a whole");
}

static aura::Task<> write_blocks(aura::Engine &engine, int fd) {
  std::vector<aura::Task<>> writes;
  for (std::size_t i = 0; i < blocks; i++) {
    writes.push_back(write_block(engine, fd, i));
  }
  co_await aura::when_all(std::move(writes)); // A sync does not wait for writes in flight.
}

static aura::Task<> write_and_sync(aura::Engine &engine, int fd) {
  co_await write_blocks(engine, fd);
  co_await engine.async_fdatasync(fd);
}

static aura::Task<> write_allocated(aura::Engine &engine, int fd) {
  co_await engine.async_fallocate(fd, AURA_FALLOC_DEFAULT, 0, block_bytes * blocks);
  co_await write_blocks(engine, fd);
  co_await engine.async_fsync(fd);
}

static void verify(aura::Engine &engine, int fd, const char *what) {
  std::vector<std::byte> found(block_bytes * blocks);
  aura::sync_wait(engine, aura::read_exact(engine, fd, found, 0));
  ensure(is_sample(found, 0), what);
  std::printf("- %s\n", what);
}

int main() {
  return example([] {
    aura::Engine engine;
    const TemporaryFile synced, direct, allocated;
    aura::sync_wait(engine, write_and_sync(engine, synced.fd()));
    verify(engine, synced.fd(), "written, and synchronised afterwards");
    if (::fcntl(direct.fd(), F_SETFL, O_DIRECT) == 0) { // Not every file system can.
      aura::sync_wait(engine, write_blocks(engine, direct.fd()));
      ::fcntl(direct.fd(), F_SETFL, 0);
      verify(engine, direct.fd(), "written past the page cache");
    } else {
      std::printf("- no O_DIRECT on this file system\n");
    }
    aura::sync_wait(engine, write_allocated(engine, allocated.fd()));
    verify(engine, allocated.fd(), "written into space allocated beforehand");
  });
}
