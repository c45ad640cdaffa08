// aura::sync_wait: from ordinary code into coroutines and back.
#ifndef AURA_SYNC_WAIT_HPP
#define AURA_SYNC_WAIT_HPP

#include <aura/detail/detached.hpp>
#include <aura/detail/outcome.hpp>
#include <aura/engine.hpp>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <type_traits>
#include <utility>

namespace aura {
namespace detail {

/// Awaits something, and says so.
template <typename A, typename Finished>
Detached await_then(A &awaited, Outcome<std::remove_cvref_t<awaited_t<A>>> &outcome, Finished finished) {
  AURA_TRY {
    if constexpr (std::is_void_v<awaited_t<A>>) {
      co_await std::move(awaited);
      outcome.return_void();
    } else {
      outcome.return_value(co_await std::move(awaited));
    }
  }
  AURA_CATCH_ALL { outcome.unhandled_exception(); }
  finished(); // The last thing that is known of whoever waits.
}

/// Processes completions until a flag is set.
inline void drive(aura_engine_t *engine, const std::atomic<bool> &over) noexcept {
  // Others may process completions meanwhile, or complete what has nothing to do with the engine.
  constexpr int look_again_ms = 5;
  while (!over.load(std::memory_order_acquire)) {
    if (aura_wait(engine, look_again_ms) < 0 && errno != ETIMEDOUT && !over.load(std::memory_order_acquire)) {
      give_up("sync_wait cannot process completions: the engine is gone, broken, or another thread's");
    }
  }
}

} // namespace detail

/// Awaits a task or an operation on this thread, which processes completions meanwhile. Gives its result, throws what
/// it throws; and Error(EDEADLK) in a callback of the engine, where nothing could ever complete.
template <typename A> auto sync_wait(Engine &engine, A &&awaitable) -> std::remove_cvref_t<detail::awaited_t<std::remove_reference_t<A>>> {
  if (!engine || detail::processing == engine.handle()) {
    detail::raise<Error>(engine ? EDEADLK : EINVAL, "sync_wait");
  }
  detail::Outcome<std::remove_cvref_t<detail::awaited_t<std::remove_reference_t<A>>>> outcome;
  std::atomic<bool> over = false;
  detail::await_then(awaitable, outcome, [&over]() noexcept { over.store(true, std::memory_order_release); });
  detail::drive(engine.handle(), over);
  return outcome.take();
}

/// Awaits on this thread, while others process completions. Not on one of those.
template <typename A> auto sync_wait(A &&awaitable) -> std::remove_cvref_t<detail::awaited_t<std::remove_reference_t<A>>> {
  detail::Outcome<std::remove_cvref_t<detail::awaited_t<std::remove_reference_t<A>>>> outcome;
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
  detail::await_then(awaitable, outcome, [&]() noexcept {
    const std::lock_guard lock(mutex); // Kept while notifying: the waiter leaves no sooner.
    over = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&over] { return over; });
  return outcome.take();
}

} // namespace aura

#endif
