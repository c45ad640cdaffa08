// Awaited operations that the engine has no room for: first come, first served.
//
// While anything waits, aura_when_room() is asked for: the engine then calls wake() on the thread that processes
// completions, where nothing that is submitted can complete before the call returns. So wake() may touch an
// operation after it has submitted it. All else happens under the mutex. An operation that is stopped while it waits
// ends in wake(), too, which aura_post() brings about.
#ifndef AURA_DETAIL_QUEUE_HPP
#define AURA_DETAIL_QUEUE_HPP

#include <aura/detail/config.hpp>

#include <atomic>
#include <cerrno>
#include <mutex>

namespace aura::detail {

/// The engine whose completions this thread is processing; one for all shared objects, also where names are hidden.
[[gnu::visibility("default")]] inline constinit thread_local aura_engine_t *processing = nullptr;

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

struct Waiter;

/// Those who wait for the same, in order.
struct Waiters {
  void link(Waiter &waiter, Waiter *previous, Waiter *next) noexcept;
  void append(Waiter &waiter) noexcept { link(waiter, last, nullptr); }
  void prepend(Waiter &waiter) noexcept { link(waiter, nullptr, first); }
  void remove(Waiter &waiter) noexcept;

  Waiter *first = nullptr;
  Waiter *last = nullptr;
};

/// What can wait.
struct Waiter {
  Waiter(bool (*submits)(void *) noexcept, void (*refuses)(void *, int) noexcept, void *waiting) noexcept
      : submit(submits), refuse(refuses), self(waiting) {}

  /// Submits the operation; false with errno. Nothing is to be touched afterwards, unless the caller knows
  /// that the operation cannot have completed.
  bool (*submit)(void *self) noexcept;
  /// The operation is over without having been submitted.
  void (*refuse)(void *self, int err) noexcept;
  void *self;

  /// The list that it is in, and its neighbours there. Guarded by the queue's mutex.
  Waiters *list = nullptr;
  Waiter *next = nullptr;
  Waiter *previous = nullptr;
};

inline void Waiters::link(Waiter &waiter, Waiter *previous, Waiter *next) noexcept {
  waiter.list = this;
  waiter.previous = previous;
  waiter.next = next;
  (previous == nullptr ? first : previous->next) = &waiter;
  (next == nullptr ? last : next->previous) = &waiter;
}

inline void Waiters::remove(Waiter &waiter) noexcept {
  (waiter.previous == nullptr ? first : waiter.previous->next) = waiter.next;
  (waiter.next == nullptr ? last : waiter.next->previous) = waiter.previous;
  waiter.list = nullptr;
}

class WaitQueue {
public:
  explicit WaitQueue(aura_engine_t *engine) noexcept : engine_(engine) {}
  WaitQueue(const WaitQueue &) = delete;
  WaitQueue &operator=(const WaitQueue &) = delete;

  [[nodiscard]] aura_engine_t *engine() const noexcept { return engine_; }
  /// Whether anybody waits, so that others have to queue up behind.
  [[nodiscard]] bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

  /// Submits an operation or puts it at the end of the queue. 0, or the errno if it can be neither.
  int enter(Waiter &waiter) noexcept {
    const std::lock_guard lock(mutex_);
    if (waiting_.first == nullptr) {
      const int err = submit_or_ask(waiter);
      if (err != EAGAIN) {
        return err;
      }
    }
    waiting_.append(waiter);
    note_any();
    return 0;
  }

  /// Takes an operation out; false if it is not here.
  bool leave(Waiter &waiter) noexcept {
    const std::lock_guard lock(mutex_);
    const bool is_here = waiter.list != nullptr;
    if (is_here) {
      waiter.list->remove(waiter);
      note_any();
    }
    return is_here;
  }

  /// Has an operation end with ECANCELED, on the thread that processes completions; false if it is not here. From any
  /// thread.
  bool stop(Waiter &waiter) noexcept {
    const std::lock_guard lock(mutex_);
    if (waiter.list == &waiting_) {
      waiting_.remove(waiter);
      note_any();
      // If this fails nobody processes completions any more, and close() comes.
      if (stopped_.first == nullptr) {
        static_cast<void>(aura_post(engine_, &wake, this));
      }
      stopped_.append(waiter);
    }
    return waiter.list != nullptr;
  }

  /// Refuses all that wait: the engine is gone.
  void close(int err) noexcept {
    refuse_all(stopped_, ECANCELED);
    refuse_all(waiting_, err);
  }

private:
  /// Not more often than this in a row is there room, and then none for this operation. (A full queue of the kernel's
  /// side, or a descriptor that cannot be closed yet, is such a case.)
  static constexpr int attempts_max = 1000;

  /// Submits until it works (0), somebody will call wake() (EAGAIN), or there is no hope (another errno).
  int submit_or_ask(Waiter &waiter) noexcept {
    for (int attempt = 0; attempt < attempts_max; attempt++) {
      if (waiter.submit(waiter.self)) {
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
    queue.refuse_all(queue.stopped_, ECANCELED);
    queue.serve();
  }

  /// Submits as many as there is room for.
  void serve() noexcept {
    for (;;) {
      Waiter *refused = nullptr;
      int err = 0;
      {
        const std::lock_guard lock(mutex_);
        while (err == 0 && waiting_.first != nullptr) {
          Waiter &waiter = *waiting_.first;
          waiting_.remove(waiter);
          err = submit_or_ask(waiter);
          if (err == EAGAIN) {
            waiting_.prepend(waiter);
          } else if (err != 0) {
            refused = &waiter;
          }
        }
        note_any();
      }
      if (refused == nullptr) {
        return;
      }
      refused->refuse(refused->self, err); // Somebody's code may run in there.
    }
  }

  void refuse_all(Waiters &list, int err) noexcept {
    while (Waiter *waiter = take_first(list)) {
      waiter->refuse(waiter->self, err);
    }
  }

  Waiter *take_first(Waiters &list) noexcept {
    const std::lock_guard lock(mutex_);
    Waiter *waiter = list.first;
    if (waiter != nullptr) {
      list.remove(*waiter);
      note_any();
    }
    return waiter;
  }

  void note_any() noexcept { any_.store(waiting_.first != nullptr, std::memory_order_relaxed); }

  aura_engine_t *engine_;
  std::atomic<bool> any_{false};
  std::mutex mutex_;
  Waiters waiting_;
  /// Asked to stop while they waited: wake() ends them.
  Waiters stopped_;
};

} // namespace aura::detail

#endif
