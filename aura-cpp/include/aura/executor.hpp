// aura::resume_on: from the thread that processes completions to one of your own.
#ifndef AURA_EXECUTOR_HPP
#define AURA_EXECUTOR_HPP

#include <aura/detail/config.hpp>

#include <concepts>
#include <coroutine>

namespace aura {

/// What can run something elsewhere: a thread pool with execute(f) or post(f), or a function that takes f and calls it
/// later. f is a std::coroutine_handle<>: copyable, as large as a pointer, called without arguments.
template <typename E>
concept Executor = requires(E &executor, std::coroutine_handle<> f) { executor.execute(f); } ||
                   requires(E &executor, std::coroutine_handle<> f) { executor.post(f); } ||
                   std::invocable<E &, std::coroutine_handle<>>;

/// co_await goes on where the executor runs it. The executor stays until then.
template <Executor E> [[nodiscard("awaiting it goes there")]] auto resume_on(E &executor) noexcept {
  struct Hop {
    bool await_ready() const noexcept { return false; }
    [[gnu::noinline]] void await_suspend(std::coroutine_handle<> waiting) const {
      E &there = executor; // Once it is handed over, the frame may be gone.
      if constexpr (requires { there.execute(waiting); }) {
        there.execute(waiting);
      } else if constexpr (requires { there.post(waiting); }) {
        there.post(waiting);
      } else {
        there(waiting);
      }
    }
    void await_resume() const noexcept {}
    E &executor;
  };
  return Hop{executor};
}

} // namespace aura

#endif
