// Coroutines that nobody holds, and small things that coroutines ask of themselves.
#ifndef AURA_DETAIL_DETACHED_HPP
#define AURA_DETAIL_DETACHED_HPP

#include <aura/detail/promise.hpp>

#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

namespace aura::detail {

/// Runs at once and frees itself at its end. What leaves it ends the program.
struct Detached {
  struct promise_type : Promise {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

/// Sets the token that the awaiting coroutine hands down.
struct UseStop {
  bool await_ready() const noexcept { return false; }
  template <typename P> bool await_suspend(std::coroutine_handle<P> self) const noexcept {
    self.promise().set_stop(stop);
    return false;
  }
  void await_resume() const noexcept {}
  const std::stop_token *stop;
};

/// Tells the token that the awaiting coroutine hands down.
struct AskStop {
  bool await_ready() const noexcept { return false; }
  template <typename P> bool await_suspend(std::coroutine_handle<P> self) noexcept {
    stop = stop_of(self.promise());
    return false;
  }
  [[nodiscard]] std::stop_token await_resume() const noexcept { return stop == nullptr ? std::stop_token() : *stop; }
  const std::stop_token *stop = nullptr;
};

template <typename A> decltype(auto) awaiter_of(A &&awaitable) {
  if constexpr (requires { std::forward<A>(awaitable).operator co_await(); }) {
    return std::forward<A>(awaitable).operator co_await();
  } else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); }) {
    return operator co_await(std::forward<A>(awaitable));
  } else {
    return std::forward<A>(awaitable);
  }
}

/// What co_await gives for an awaitable.
template <typename A> using awaited_t = decltype(awaiter_of(std::declval<A>()).await_resume());

} // namespace aura::detail

namespace aura {

/// In a task: the stop token that its operations heed, which combinators and scopes set.
/// `if ((co_await aura::current_stop_token()).stop_requested()) ...`
[[nodiscard]] inline auto current_stop_token() noexcept { return detail::AskStop{}; }

} // namespace aura

#endif
