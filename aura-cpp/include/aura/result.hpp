// aura::result: a value or an errno, for programs without exceptions and for failures that are no surprise.
#ifndef AURA_RESULT_HPP
#define AURA_RESULT_HPP

#include <aura/error.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace aura {

/// Makes a result that failed: `return aura::failure(ENODATA, "reading the header");`
struct failure {
  /// @param err      A positive errno.
  /// @param attempt  What was attempted: a string literal, or something else that stays.
  explicit constexpr failure(int err, const char *attempt = "") noexcept : code(err), context(attempt) {}

  int code;
  const char *context;
};

/// A value of type T, or why there is none.
template <typename T> class [[nodiscard]] result {
public:
  using value_type = T;

  template <typename U = T>
    requires(std::constructible_from<T, U> && !std::same_as<std::remove_cvref_t<U>, result> &&
             !std::same_as<std::remove_cvref_t<U>, failure>)
  result(U &&value) : value_(std::in_place, std::forward<U>(value)) {}
  result(failure why) noexcept : why_(why) {}

  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  /// The errno; 0 with a value.
  [[nodiscard]] int code() const noexcept { return has_value() ? 0 : why_.code; }
  /// The same for <system_error>.
  [[nodiscard]] std::error_code error() const noexcept { return {code(), std::generic_category()}; }
  /// Errno and context, to be passed on.
  [[nodiscard]] failure why() const noexcept { return why_; }

  /// The value. Throws Error if there is none; without exceptions the program ends.
  [[nodiscard]] T &value() & { return demand(), *value_; }
  [[nodiscard]] const T &value() const & { return demand(), *value_; }
  [[nodiscard]] T &&value() && { return demand(), std::move(*value_); }

  /// The value, or this if there is none.
  template <typename U> [[nodiscard]] T value_or(U &&other) const & {
    return has_value() ? *value_ : static_cast<T>(std::forward<U>(other));
  }
  template <typename U> [[nodiscard]] T value_or(U &&other) && {
    return has_value() ? std::move(*value_) : static_cast<T>(std::forward<U>(other));
  }

  /// The value, which the caller knows to be there.
  [[nodiscard]] T &operator*() & noexcept { return *value_; }
  [[nodiscard]] const T &operator*() const & noexcept { return *value_; }
  [[nodiscard]] T &&operator*() && noexcept { return std::move(*value_); }
  [[nodiscard]] T *operator->() noexcept { return &*value_; }
  [[nodiscard]] const T *operator->() const noexcept { return &*value_; }

private:
  void demand() const {
    if (!has_value()) {
      detail::raise<Error>(why_.code, why_.context);
    }
  }

  std::optional<T> value_;
  failure why_{0};
};

/// Success, or why not.
template <> class [[nodiscard]] result<void> {
public:
  using value_type = void;

  result() noexcept = default;
  result(failure why) noexcept : why_(why) {}

  [[nodiscard]] bool has_value() const noexcept { return why_.code == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] int code() const noexcept { return why_.code; }
  [[nodiscard]] std::error_code error() const noexcept { return {code(), std::generic_category()}; }
  [[nodiscard]] failure why() const noexcept { return why_; }

  /// Throws Error if it failed; without exceptions the program ends.
  void value() const {
    if (!has_value()) {
      detail::raise<Error>(why_.code, why_.context);
    }
  }
  void operator*() const noexcept {}

private:
  failure why_{0};
};

namespace detail {

template <typename T> inline constexpr bool is_result = false;
template <typename T> inline constexpr bool is_result<result<T>> = true;

} // namespace detail
} // namespace aura

#endif
