// Many small files at once: a coroutine for each. How many are in flight is the engine's business; coroutines wait
// for their turn.
#include "support.hpp"

#include <filesystem>

static aura::Task<std::size_t> load(aura::Engine &engine, std::filesystem::path path, std::size_t number) {
  const auto bytes = co_await aura::read_file(engine, path);
  ensure(bytes.size() == number * 43 && is_sample(bytes, 0), "the bytes of this file");
  co_return bytes.size();
}

int main() {
  return example([] {
    constexpr std::size_t files = 500;
    const TemporaryFile name;
    const std::filesystem::path folder = name.path() + ".d";
    std::filesystem::create_directory(folder);
    std::size_t expected = 0;
    for (std::size_t i = 0; i < files; i++) {
      std::vector<std::byte> bytes(i * 43);
      fill_sample(bytes, 0);
      std::FILE *file = std::fopen((folder / std::to_string(i)).c_str(), "w");
      ensure(file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size(), "writing a file");
      std::fclose(file);
      expected += bytes.size();
    }

    aura::Engine engine;
    std::vector<aura::Task<std::size_t>> tasks;
    for (std::size_t i = 0; i < files; i++) {
      tasks.push_back(load(engine, folder / std::to_string(i), i));
    }
    std::size_t total = 0;
    for (const std::size_t bytes : aura::sync_wait(engine, aura::when_all(std::move(tasks)))) {
      total += bytes;
    }
    std::printf("%zu files, %zu bytes, at most %d operations in flight\n", files, total, engine.get_stats().peak_in_flight());
    ensure(total == expected, "every file was read");
    std::filesystem::remove_all(folder);
  });
}
