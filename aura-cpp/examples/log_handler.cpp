// What the library has to say, with time stamps, and messages of one's own among it.
#include "support.hpp"

#include <atomic>
#include <chrono>

int main() {
  return example([] {
    std::atomic<int> own = 0, others = 0; // Called on whichever thread has something to say.
    const auto begin = std::chrono::steady_clock::now();
    aura::set_log_handler([&](aura::LogLevel level, std::string_view message) {
      const std::chrono::duration<double, std::milli> since = std::chrono::steady_clock::now() - begin;
      std::printf("%8.3f ms %-6s %.*s\n", since.count(), aura::log_level_name(level), static_cast<int>(message.size()), message.data());
      (level == aura::LogLevel::Notice ? own : others)++;
    });
    aura::log_emit(aura::LogLevel::Notice, "the example begins");
    try {
      aura::Engine engine(aura::Options().queue_depth(-5)); // The errno is a number; the log has the words.
      ensure(false, "a negative depth is refused");
    } catch (const aura::Error &error) {
      ensure(error.is_invalid(), "the reason");
    }
    ensure(own == 1 && others >= 1, "both were heard");
    aura::clear_log_handler();
    aura::log_emit(aura::LogLevel::Notice, "nobody hears this");
    ensure(own == 1, "silence");
  });
}
