// aura::async_scope: tasks that run by themselves, and never longer than the scope.
#ifndef AURA_SCOPE_HPP
#define AURA_SCOPE_HPP

#include <aura/detail/detached.hpp>
#include <aura/engine.hpp>
#include <aura/task.hpp>

#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <utility>

namespace aura {

/// Runs tasks side by side, and joins all of them: by `co_await scope.join()`, or at the latest when it is destroyed.
///
/// The first task that fails stops the others. join() throws what it threw; a task that fails with ECANCELED when the
/// scope was stopped has not failed. Any thread may spawn and stop.
class async_scope {
public:
  /// The engine's completions are processed by the destructor, if there is something left to wait for.
  explicit async_scope(Engine &engine) noexcept : engine_(engine.handle()) {}
  async_scope(const async_scope &) = delete;
  async_scope &operator=(const async_scope &) = delete;
  /// Stops what is still running and waits for it. Not in a callback then: there the program ends. Failures that
  /// nobody has asked for are dropped.
  ~async_scope() {
    if (running() > 0) {
      request_stop();
    }
    while (running() > 0) {
      if (aura_wait(engine_, 10) < 0 && errno != ETIMEDOUT) {
        detail::give_up("an async_scope with running tasks was destroyed where they cannot be waited for: in a "
                        "callback, or after its engine");
      }
    }
  }

  /// Starts a task. Its result is dropped.
  template <typename T> void spawn(Task<T> task) {
    detail::TaskAccess::demand_fresh(task);
    {
      const std::lock_guard lock(mutex_);
      running_++;
    }
    bool is_started = false;
    const detail::Defer undo([&] {
      if (!is_started) {
        leave(); // There was no memory to run it in.
      }
    });
    run(*this, std::move(task));
    is_started = true;
  }

  /// Stops all tasks, also those that are spawned later: their operations end with ECANCELED.
  void request_stop() noexcept {
    std::stop_source kept = source_; // The last task may end in here, and the scope with it.
    kept.request_stop();
  }
  /// The token that the tasks' operations heed.
  [[nodiscard]] std::stop_token get_stop_token() const noexcept { return token_; }
  /// Tasks that have not ended.
  [[nodiscard]] std::size_t running() const {
    const std::lock_guard lock(mutex_);
    return running_;
  }

  /// co_await waits until no task is running, and throws what the first one that failed did. By one coroutine at a
  /// time (std::logic_error). More tasks may be spawned afterwards.
  [[nodiscard("awaiting it joins")]] auto join() noexcept { return Join{*this}; }

private:
  struct Join {
    bool await_ready() const noexcept { return false; }
    [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> waiting) const { return scope.wait(waiting); }
    void await_resume() const { scope.report(); }
    async_scope &scope;
  };

  template <typename T> static detail::Detached run(async_scope &scope, Task<T> task) {
    co_await detail::UseStop{&scope.token_};
    AURA_TRY {
      Task<T> running = std::move(task); // Gone before the scope hears of it.
      static_cast<void>(co_await std::move(running));
    }
    AURA_CATCH_ALL { scope.failed(std::current_exception()); }
    scope.leave();
  }

  void failed(std::exception_ptr why) noexcept {
    if (source_.stop_requested() && is_cancellation(why)) {
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      if (!failure_) {
        failure_ = std::move(why);
      }
    }
    request_stop();
  }

  static bool is_cancellation([[maybe_unused]] const std::exception_ptr &why) noexcept {
#if defined(__cpp_exceptions)
    try {
      std::rethrow_exception(why);
    } catch (const Error &error) {
      return error.is_cancelled();
    } catch (...) {
    }
#endif
    return false;
  }

  void leave() noexcept {
    std::coroutine_handle<> waiting;
    {
      const std::lock_guard lock(mutex_);
      if (--running_ == 0) {
        waiting = std::exchange(waiting_, nullptr);
      }
    }
    // From here on the scope may be gone.
    if (waiting) {
      waiting.resume();
    }
  }

  bool wait(std::coroutine_handle<> waiting) {
    const std::lock_guard lock(mutex_);
    if (waiting_) {
      detail::raise<std::logic_error>("aura::async_scope: joined by two coroutines at a time");
    }
    if (running_ > 0) {
      waiting_ = waiting;
    }
    return running_ > 0;
  }

  void report() {
    std::exception_ptr why;
    {
      const std::lock_guard lock(mutex_);
      why = std::exchange(failure_, nullptr);
    }
    if (why) {
      std::rethrow_exception(why);
    }
  }

  aura_engine_t *engine_;
  std::stop_source source_;
  std::stop_token token_ = source_.get_token();
  mutable std::mutex mutex_;
  std::size_t running_ = 0;
  std::coroutine_handle<> waiting_;
  std::exception_ptr failure_;
};

} // namespace aura

#endif
