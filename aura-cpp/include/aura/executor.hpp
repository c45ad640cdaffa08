// aura::resume_on: from the thread that processes completions to one of your own, and back.
#ifndef AURA_EXECUTOR_HPP
#define AURA_EXECUTOR_HPP

#include <aura/engine.hpp>

#include <cerrno>
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

/// co_await goes on where the engine's completions are processed: the way back. Throws Error(EINVAL) if the engine was
/// moved from. Until it has arrived the coroutine must not be destroyed, unless the engine ended before.
[[nodiscard("awaiting it goes there")]] inline auto resume_on(Engine &engine) noexcept {
  struct Hop {
    bool await_ready() const noexcept { return false; }
    [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> coroutine) noexcept {
      waiting = coroutine;
      aura_engine_t *there = engine;
      AURA_HANDS_OVER(this);
      if (aura_post(there, &arrive, this) == 0) {
        return true; // The frame may be gone.
      }
      err = errno;
      return false;
    }
    void await_resume() const {
      if (err != 0) {
        detail::raise<Error>(err, "resume_on");
      }
    }
    static void arrive(void *self) noexcept {
      auto &hop = *static_cast<Hop *>(self);
      AURA_TAKES_OVER(&hop);
      const detail::Processing here(hop.engine);
      hop.waiting.resume();
    }
    aura_engine_t *engine;
    std::coroutine_handle<> waiting = nullptr;
    int err = 0;
  };
  return Hop{engine.handle()};
}

} // namespace aura

#endif
