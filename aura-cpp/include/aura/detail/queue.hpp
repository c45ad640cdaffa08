// Awaited operations that the engine has no room for: first come, first served.
//
// While anything waits, aura_when_room() is asked for: the engine then calls wake() on the thread that processes
// completions, where nothing that is submitted can complete before the call returns. So wake() may touch an
// operation after it has submitted it. All else happens under the mutex.
#ifndef AURA_DETAIL_QUEUE_HPP
#define AURA_DETAIL_QUEUE_HPP

#include <aura/detail/config.hpp>

#include <atomic>
#include <cerrno>
#include <mutex>

namespace aura::detail {

/// The engine whose completions this thread is processing.
inline constinit thread_local aura_engine_t *processing = nullptr;

/// Marks the time of a callback.
class Processing {
public:
  explicit Processing(aura_engine_t *engine) noexcept : outer_(std::exchange(processing, engine)) {}
  Processing(const Processing &) = delete;
  Processing &operator=(const Processing &) = delete;
  ~Processing() { processing = outer_; }

private:
  aura_engine_t *outer_;
};

/// What can wait. Nobody is a friend of it: compilers warn of a destructor that is not virtual where friends reach it.
class Waiter {
public:
  Waiter(const Waiter &) = delete;
  Waiter &operator=(const Waiter &) = delete;

  /// Submits the operation; false with errno. Nothing is to be touched afterwards, unless the caller knows
  /// that the operation cannot have completed.
  virtual bool submit() noexcept = 0;
  /// The operation is over without having been submitted.
  virtual void refuse(int err) noexcept = 0;

  /// The queue's own, guarded by its mutex.
  Waiter *next = nullptr;
  Waiter *previous = nullptr;
  bool is_queued = false;

protected:
  Waiter() noexcept = default;
  ~Waiter() = default;
};

class WaitQueue {
public:
  explicit WaitQueue(aura_engine_t *engine) noexcept : engine_(engine) {}
  WaitQueue(const WaitQueue &) = delete;
  WaitQueue &operator=(const WaitQueue &) = delete;

  /// Whether anybody waits, so that others have to queue up behind.
  [[nodiscard]] bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

  /// Submits an operation or puts it at the end of the queue. 0, or the errno if it can be neither.
  int enter(Waiter &waiter) noexcept {
    const std::lock_guard lock(mutex_);
    if (first_ == nullptr) {
      const int err = submit_or_ask([&]() noexcept { return waiter.submit(); });
      if (err != EAGAIN) {
        return err;
      }
    }
    append(waiter);
    return 0;
  }

  /// Takes an operation out; false if it does not wait here.
  bool leave(Waiter &waiter) noexcept {
    const std::lock_guard lock(mutex_);
    const bool waits = waiter.is_queued;
    if (waits) {
      remove(waiter);
    }
    return waits;
  }

  /// Refuses all that wait: the engine is gone.
  void close(int err) noexcept {
    while (Waiter *waiter = take_first()) {
      waiter->refuse(err);
    }
  }

private:
  /// Not more often than this in a row is there room, and then none for this operation. (A full queue of the kernel's
  /// side, or a descriptor that cannot be closed yet, is such a case.)
  static constexpr int attempts_max = 1000;

  /// Submits until it works (0), somebody will call wake() (EAGAIN), or there is no hope (another errno).
  template <typename Submit> int submit_or_ask(Submit submit) noexcept {
    for (int attempt = 0; attempt < attempts_max; attempt++) {
      if (submit()) {
        return 0;
      }
      if (errno != EAGAIN) {
        return errno;
      }
      const int asked = aura_when_room(engine_, &wake, this);
      if (asked <= 0) {
        return asked == 0 ? EAGAIN : errno;
      }
    }
    return EBUSY;
  }

  static void wake(void *user_data) noexcept {
    auto &queue = *static_cast<WaitQueue *>(user_data);
    const Processing here(queue.engine_);
    queue.serve();
  }

  /// Submits as many as there is room for.
  void serve() noexcept {
    for (;;) {
      Waiter *refused = nullptr;
      int err = 0;
      {
        const std::lock_guard lock(mutex_);
        while (err == 0 && first_ != nullptr) {
          Waiter &waiter = *first_;
          remove(waiter);
          err = submit_or_ask([&]() noexcept { return waiter.submit(); });
          if (err == EAGAIN) {
            prepend(waiter);
          } else if (err != 0) {
            refused = &waiter;
          }
        }
      }
      if (refused == nullptr) {
        return;
      }
      refused->refuse(err); // Somebody's code may run in there.
    }
  }

  Waiter *take_first() noexcept {
    const std::lock_guard lock(mutex_);
    Waiter *waiter = first_;
    if (waiter != nullptr) {
      remove(*waiter);
    }
    return waiter;
  }

  void append(Waiter &waiter) noexcept { link(waiter, last_, nullptr); }
  void prepend(Waiter &waiter) noexcept { link(waiter, nullptr, first_); }

  void link(Waiter &waiter, Waiter *previous, Waiter *next) noexcept {
    waiter.previous = previous;
    waiter.next = next;
    waiter.is_queued = true;
    (previous == nullptr ? first_ : previous->next) = &waiter;
    (next == nullptr ? last_ : next->previous) = &waiter;
    any_.store(true, std::memory_order_relaxed);
  }

  void remove(Waiter &waiter) noexcept {
    (waiter.previous == nullptr ? first_ : waiter.previous->next) = waiter.next;
    (waiter.next == nullptr ? last_ : waiter.next->previous) = waiter.previous;
    waiter.is_queued = false;
    any_.store(first_ != nullptr, std::memory_order_relaxed);
  }

  aura_engine_t *engine_;
  std::atomic<bool> any_{false};
  std::mutex mutex_;
  Waiter *first_ = nullptr;
  Waiter *last_ = nullptr;
};

} // namespace aura::detail

#endif
