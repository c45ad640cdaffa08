// The log of the library: where its messages go, and how to add one's own.
#ifndef AURA_LOG_HPP
#define AURA_LOG_HPP

#include <aura/detail/config.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace aura {

/// How much a message matters; syslog's numbers.
enum class LogLevel {
  Error = AURA_LOG_ERR,
  Warning = AURA_LOG_WARN,
  Notice = AURA_LOG_NOTICE,
  Info = AURA_LOG_INFO,
  Debug = AURA_LOG_DEBUG,
};

/// "ERR", "WARN", "NOTICE", "INFO", "DEBUG".
[[nodiscard]] constexpr const char *log_level_name(LogLevel level) noexcept {
  switch (level) {
  case LogLevel::Error:
    return "ERR";
  case LogLevel::Warning:
    return "WARN";
  case LogLevel::Notice:
    return "NOTICE";
  case LogLevel::Info:
    return "INFO";
  case LogLevel::Debug:
    return "DEBUG";
  }
  return "UNKNOWN";
}

/// What receives messages: on whichever thread has something to say, several at a time.
using LogHandler = std::function<void(LogLevel, std::string_view)>;

namespace detail {

/// The handler of the process. Whoever calls it keeps it, so that it may be replaced at any time, also from within.
class LogSink {
public:
  static LogSink &instance() {
    static LogSink sink;
    return sink;
  }

  void set(LogHandler handler) {
    auto other = handler ? std::make_shared<const LogHandler>(std::move(handler)) : nullptr;
    {
      const std::lock_guard lock(mutex_);
      current_.swap(other);
    }
    // Without the lock, because this waits until all other threads have left the handler, and one of them may be about
    // to set another. So it may come out of turn, and is put right then.
    bool is_set;
    do {
      is_set = current() != nullptr;
      aura_set_log_handler(is_set ? &deliver : nullptr, nullptr);
    } while (is_set != (current() != nullptr));
  }

private:
  LogSink() = default;
  // Others may still log while the process ends.
  ~LogSink() { aura_set_log_handler(nullptr, nullptr); }

  [[nodiscard]] std::shared_ptr<const LogHandler> current() {
    const std::lock_guard lock(mutex_);
    return current_;
  }

  static void deliver(int level, const char *message, void *) noexcept {
    if (const auto handler = instance().current()) {
      // A message that could not be handled is lost; nothing else may suffer from it.
      AURA_TRY { (*handler)(static_cast<LogLevel>(level), message); }
      AURA_CATCH_ALL {}
    }
  }

  std::mutex mutex_;
  std::shared_ptr<const LogHandler> current_;
};

} // namespace detail

/// Sets the log handler of the process; there is none at the start. Exceptions that leave it are dropped. It may
/// replace itself. When this returns, no other thread is inside the handler before; called in a handler it does not wait.
inline void set_log_handler(LogHandler handler) { detail::LogSink::instance().set(std::move(handler)); }

/// Silence.
inline void clear_log_handler() { detail::LogSink::instance().set(nullptr); }

/// Sends a message through the handler, cut to 255 bytes. Does nothing without one.
inline void log_emit(LogLevel level, std::string_view message) {
  const int bytes = message.size() < 256 ? static_cast<int>(message.size()) : 255;
  aura_log_emit(static_cast<int>(level), "%.*s", bytes, message.data());
}

} // namespace aura

#endif
