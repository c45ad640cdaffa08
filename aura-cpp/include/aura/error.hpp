// aura::Error: what the functions of this layer throw.
#ifndef AURA_ERROR_HPP
#define AURA_ERROR_HPP

#include <aura/detail/config.hpp>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace aura {

/// A failed call or operation: an errno, and what was attempted.
class Error : public std::system_error {
public:
  /// @param err      A positive errno.
  /// @param context  What was attempted; becomes the first part of what().
  explicit Error(int err, std::string_view context = {}) : std::system_error(described(err, context)) {}

  /// The errno. (The std::error_code is that of the base class: `error.std::system_error::code()`.)
  [[nodiscard]] int code() const noexcept { return std::system_error::code().value(); }

  /// "context: what the errno means".
  [[nodiscard]] const char *what() const noexcept override { return std::system_error::what(); }

  /// EINVAL: an argument makes no sense.
  [[nodiscard]] bool is_invalid() const noexcept { return code() == EINVAL; }
  /// EAGAIN: as much is in flight as the limit allows.
  [[nodiscard]] bool is_again() const noexcept { return code() == EAGAIN; }
  /// ESHUTDOWN: the engine is being destroyed, or has a fatal error.
  [[nodiscard]] bool is_shutdown() const noexcept { return code() == ESHUTDOWN; }
  /// ECANCELED: it was cancelled.
  [[nodiscard]] bool is_cancelled() const noexcept { return code() == ECANCELED; }
  /// EBUSY: what it needs is in use.
  [[nodiscard]] bool is_busy() const noexcept { return code() == EBUSY; }
  /// ENOENT: there is no such file, or nothing is registered.
  [[nodiscard]] bool is_not_found() const noexcept { return code() == ENOENT; }

private:
  static std::system_error described(int err, std::string_view context) {
    const std::error_code code(err, std::generic_category());
    return context.empty() ? std::system_error(code) : std::system_error(code, std::string(context));
  }
};

/// Throws Error with the present errno.
[[noreturn]] inline void throw_errno(std::string_view context = {}) {
  const int err = errno; // Before anything that may change it.
  detail::raise<Error>(err, context);
}

/// Throws Error with the present errno unless the condition holds.
inline void check(bool condition, std::string_view context = {}) {
  if (!condition) {
    throw_errno(context);
  }
}

} // namespace aura

#endif
