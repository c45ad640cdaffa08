// aura::timeout: a task that is given so much time.
#ifndef AURA_TIMEOUT_HPP
#define AURA_TIMEOUT_HPP

#include <aura/detail/timer.hpp>
#include <aura/error.hpp>
#include <aura/result.hpp>
#include <aura/when.hpp>

#include <cerrno>
#include <chrono>
#include <utility>

namespace aura {

/// Runs a task, and stops it when the time is up: its operations are cancelled, and it is waited for. If it fails with
/// ECANCELED for that reason, that becomes ETIMEDOUT: Error, or an aura::result where the task gives one. A task that
/// succeeds nevertheless has succeeded.
///
/// The first timeout starts a thread, which keeps the time for all.
template <typename T, typename Rep, typename Period>
Task<T> timeout(std::chrono::duration<Rep, Period> time, Task<T> task) {
  detail::LinkedSource source(co_await current_stop_token());
  co_await detail::UseStop{&source.token()};
  const detail::Timer::Alarm alarm(detail::Timer::after(time), [source = source.source()]() mutable { source.request_stop(); });
#if defined(__cpp_exceptions)
  try {
#endif
    if constexpr (detail::is_result<T>) {
      T outcome = co_await std::move(task);
      if (outcome.code() == ECANCELED && alarm.rang()) {
        co_return failure(ETIMEDOUT, "timeout");
      }
      co_return outcome;
    } else {
      co_return co_await std::move(task);
    }
#if defined(__cpp_exceptions)
  } catch (const Error &error) {
    if (error.is_cancelled() && alarm.rang()) {
      throw Error(ETIMEDOUT, "timeout");
    }
    throw;
  }
#endif
}

} // namespace aura

#endif
