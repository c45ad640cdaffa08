// The outcome of a task: a value, a reference or nothing, or an exception; taken once.
#ifndef AURA_DETAIL_OUTCOME_HPP
#define AURA_DETAIL_OUTCOME_HPP

#include <aura/detail/config.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace aura::detail {

/// Keeps a value or an exception.
template <typename T> class OnceTaken {
public:
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

protected:
  template <typename U> void put(U &&value) { value_.emplace(std::forward<U>(value)); }

  T take_once() {
    if (std::exchange(taken_, true)) {
      raise<std::logic_error>("aura::Task: the result was taken before");
    }
    if (exception_) {
      std::rethrow_exception(std::exchange(exception_, nullptr));
    }
    return *std::exchange(value_, std::nullopt);
  }

private:
  std::optional<T> value_;
  std::exception_ptr exception_;
  bool taken_ = false;
};

template <typename T> class Outcome : public OnceTaken<T> {
public:
  template <typename U = T>
    requires std::constructible_from<T, U>
  void return_value(U &&value) {
    this->put(std::forward<U>(value));
  }
  T take() { return this->take_once(); }
};

template <typename T> class Outcome<T &> : public OnceTaken<T *> {
public:
  void return_value(T &value) { this->put(std::addressof(value)); }
  T &take() { return *this->take_once(); }
};

struct Nothing {};

template <> class Outcome<void> : public OnceTaken<Nothing> {
public:
  void return_void() { put(Nothing{}); }
  void take() { take_once(); }
};

} // namespace aura::detail

#endif
