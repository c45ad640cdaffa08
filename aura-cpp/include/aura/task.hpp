// aura::Task: a lazy coroutine.
#ifndef AURA_TASK_HPP
#define AURA_TASK_HPP

#include <aura/detail/frame.hpp>
#include <aura/detail/outcome.hpp>
#include <aura/detail/promise.hpp>
#include <aura/fwd.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace aura {
namespace detail {

/// Several tasks that are waited for together: each says when it is done, the last one resumes whoever waits.
class Joint {
public:
  virtual std::coroutine_handle<> finished(std::size_t index) noexcept = 0;

protected:
  ~Joint() = default;
};

/// How many tasks this thread has started from within each other.
class Nesting {
public:
  static bool may_nest() noexcept { return depth < depth_max; }

  Nesting() noexcept { depth++; }
  Nesting(const Nesting &) = delete;
  Nesting &operator=(const Nesting &) = delete;
  ~Nesting() { depth--; }

private:
  static constexpr unsigned depth_max = 32;
  static inline constinit thread_local unsigned depth = 0;
};

/// What tasks of all types have in common.
///
/// `next_` is what to do at the end: null so far, the address of a coroutine to resume, or DONE when it has ended.
class TaskPromise : public Promise, public FrameMemory {
public:
  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <typename P>
    [[gnu::noinline]] std::coroutine_handle<> await_suspend(std::coroutine_handle<P> ended) noexcept {
      return static_cast<TaskPromise &>(ended.promise()).end();
    }
    void await_resume() const noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  /// co_await std::suspend_always in a task: it goes on when somebody calls Task::resume().
  struct Pause {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> paused) noexcept {
      promise->paused_.store(paused.address(), std::memory_order_release);
    }
    void await_resume() const noexcept {}
    TaskPromise *promise;
  };
  Pause await_transform(std::suspend_always) noexcept { return {this}; }
  /// Another task: it may begin before this one is suspended.
  template <typename T> auto await_transform(Task<T> &awaited);
  template <typename T> auto await_transform(Task<T> &&awaited);
  template <typename A> A &&await_transform(A &&awaited) noexcept { return std::forward<A>(awaited); }

  [[nodiscard]] bool done() const noexcept { return next_.load(std::memory_order_acquire) == done_mark(); }
  [[nodiscard]] bool started() const noexcept { return started_; }
  void set_started() noexcept { started_ = true; }
  [[nodiscard]] void *take_paused() noexcept { return paused_.exchange(nullptr, std::memory_order_acquire); }

  /// Has a coroutine resumed at the end; false if that is over.
  bool then(std::coroutine_handle<> waiting) noexcept {
    void *nobody = nullptr;
    return next_.compare_exchange_strong(nobody, waiting.address(), std::memory_order_acq_rel);
  }
  /// Has it counted at the end. Before it starts.
  void join(Joint &joint, std::size_t index) noexcept {
    joint_ = &joint;
    index_ = index;
  }

private:
  std::coroutine_handle<> end() noexcept {
    // After the exchange the frame may be destroyed by whoever asked done().
    Joint *joint = joint_;
    const std::size_t index = index_;
    void *next = next_.exchange(done_mark(), std::memory_order_acq_rel);
    if (joint != nullptr) {
      return joint->finished(index);
    }
    return next == nullptr ? std::noop_coroutine() : std::coroutine_handle<>::from_address(next);
  }

  /// No coroutine is there. A number, because the address of a variable differs from one shared object to the next where
  /// symbols are hidden, and tasks go from one to the other.
  static void *done_mark() noexcept { return reinterpret_cast<void *>(std::uintptr_t{1}); }

  std::atomic<void *> next_{nullptr};
  std::atomic<void *> paused_{nullptr};
  Joint *joint_ = nullptr;
  std::size_t index_ = 0;
  bool started_ = false;
};

} // namespace detail

/// A coroutine that begins when it is awaited or resumed, and gives a T (or nothing) at its end.
///
/// Where completions are processed, it goes on: usually by `sync_wait(engine, task)`, by engine.wait() in a loop, or
/// on a thread in engine.run(). Awaiting one task in another costs no stack, however many end at once.
///
/// Destroying a task that is suspended in an operation cancels the operation and waits until it is over. So nobody
/// else may be processing completions at that moment, and it must not happen in a callback: there the program ends.
/// To give up a task that others drive, stop it (async_scope, when_any, timeout, a std::stop_token) and await it.
///
/// A coroutine whose first parameters are std::allocator_arg and an allocator has its frame allocated by that.
template <typename T> class [[nodiscard("a task begins when it is awaited or resumed")]] Task {
public:
  class promise_type : public detail::TaskPromise, public detail::Outcome<T> {
  public:
    Task get_return_object() noexcept { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
  };
  using value_type = T;

  /// No task.
  Task() noexcept = default;
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  Task(Task &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task &operator=(Task &&other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Task(const Task &) = delete;
  Task &operator=(const Task &) = delete;
  ~Task() { destroy(); }

  /// Starts it, or resumes it from `co_await std::suspend_always()`. A task that is waiting for an operation or for
  /// another task is resumed by that, and not from here. Whether it is still running; false for one that has ended.
  bool resume() {
    if (!handle_ || done()) {
      return false;
    }
    if (!handle_.promise().started()) {
      handle_.promise().set_started();
      handle_.resume();
    } else if (void *paused = handle_.promise().take_paused()) {
      std::coroutine_handle<>::from_address(paused).resume();
    }
    return !done();
  }

  /// Whether it has ended. From any thread. There is nothing more to come of an empty one.
  [[nodiscard]] bool done() const noexcept { return !handle_ || handle_.promise().done(); }

  /// Its result, once: throws what left the coroutine, and std::logic_error if it has not ended, or if the result was
  /// taken before.
  T get() {
    if (!handle_ || !done()) {
      detail::raise<std::logic_error>("aura::Task: it has not ended");
    }
    return handle_.promise().take();
  }

  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }

  /// Awaits it: starts it, if nobody has, and gives its result. Throws std::logic_error if it is empty.
  auto operator co_await() { return awaiter(false, nullptr); }

private:
  friend struct detail::TaskAccess;

  struct Awaiter {
    /// Starting it in here costs no stack if it ends at once, however the compiler treats a transfer from one coroutine
    /// to another. Tasks that start tasks that start tasks do cost some, so that depth is bounded.
    bool await_ready() {
      promise_type &promise = awaited.promise();
      if (may_begin_here && !promise.started() && detail::Nesting::may_nest()) {
        const detail::Nesting nested;
        promise.set_started();
        promise.set_stop(inherited);
        awaited.resume();
      }
      return promise.done();
    }
    template <typename P>
    [[gnu::noinline]] std::coroutine_handle<> await_suspend(std::coroutine_handle<P> waiting) noexcept {
      promise_type &promise = awaited.promise();
      const bool fresh = !promise.started();
      if (fresh) {
        promise.set_started();
        promise.set_stop(detail::stop_of(waiting.promise()));
      }
      if (!promise.then(waiting)) {
        return waiting; // It has just ended; or somebody else waits already, see below.
      }
      return fresh ? std::coroutine_handle<>(awaited) : std::noop_coroutine();
    }
    T await_resume() {
      if (!awaited.promise().done()) {
        detail::raise<std::logic_error>("aura::Task: awaited by two coroutines at a time");
      }
      return awaited.promise().take();
    }
    std::coroutine_handle<promise_type> awaited;
    bool may_begin_here;
    const std::stop_token *inherited;
  };

  Awaiter awaiter(bool may_begin_here, const std::stop_token *inherited) const {
    if (!handle_) {
      detail::raise<std::logic_error>("aura::Task: awaiting an empty task");
    }
    return {handle_, may_begin_here, inherited};
  }

  void destroy() noexcept {
    if (handle_) {
      handle_.destroy();
    }
  }

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

/// What combinators may do with a task that has not been started.
struct TaskAccess {
  template <typename T> static auto await_in(const TaskPromise &awaiting, Task<T> &task) {
    return task.awaiter(true, awaiting.stop());
  }

  template <typename T> static void demand_fresh(const Task<T> &task) {
    if (!task.handle_ || task.handle_.promise().started()) {
      raise<std::logic_error>("aura::Task: only a task that has not been started can be combined with others");
    }
  }

  /// Starts a fresh task.
  template <typename T>
  static void start(Task<T> &task, Joint &joint, std::size_t index, const std::stop_token *stop) noexcept {
    auto &promise = task.handle_.promise();
    promise.join(joint, index);
    promise.set_stop(stop);
    promise.set_started();
    task.handle_.resume();
  }
};

template <typename T> auto TaskPromise::await_transform(Task<T> &awaited) { return TaskAccess::await_in(*this, awaited); }
template <typename T> auto TaskPromise::await_transform(Task<T> &&awaited) { return TaskAccess::await_in(*this, awaited); }

} // namespace detail
} // namespace aura

#endif
