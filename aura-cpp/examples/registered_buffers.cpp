// Buffers and files that the kernel knows beforehand: for small operations, again and again.
#include "support.hpp"

#include <array>

static aura::Task<> read_again(aura::Engine &engine, int index_of_file, int index_of_buffer, std::span<const std::byte> memory) {
  constexpr std::size_t bytes = 512;
  for (std::size_t round = 0; round < 200; round++) {
    const std::size_t offset = round * 131 % 60000;
    co_await engine.async_read(index_of_file, aura::buf_fixed(index_of_buffer), bytes, static_cast<off_t>(offset), AURA_FIXED_FILE);
    ensure(is_sample(memory.first(bytes), offset), "the bytes");
  }
}

int main() {
  return example([] {
    const TemporaryFile file(65536);
    aura::Engine engine;
    std::array<std::vector<std::byte>, 4> memory;
    std::array<iovec, 4> buffers;
    for (std::size_t i = 0; i < memory.size(); i++) {
      memory[i].resize(4096);
      buffers[i] = {memory[i].data(), memory[i].size()};
    }
    engine.register_buffers(buffers);
    engine.register_files(std::array{file.fd()});

    std::vector<aura::Task<>> readers;
    for (std::size_t i = 0; i < memory.size(); i++) {
      readers.push_back(read_again(engine, 0, static_cast<int>(i), memory[i]));
    }
    aura::sync_wait(engine, aura::when_all(std::move(readers)));

    engine.unregister(AURA_REG_FILES);
    engine.unregister(AURA_REG_BUFFERS); // From here on the memory is ours again.
    std::printf("%lld reads by index\n", static_cast<long long>(engine.get_stats().ops_completed()));
    ensure(engine.get_stats().ops_completed() == 800, "all of them");
  });
}
