// The clock of timeouts: one thread for all of them, which the first timeout starts.
#ifndef AURA_DETAIL_TIMER_HPP
#define AURA_DETAIL_TIMER_HPP

#include <aura/detail/config.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace aura::detail {

class Timer {
public:
  using Clock = std::chrono::steady_clock;

  /// Calls a function at a time, on the timer's thread, unless it is destroyed before. Destroying waits for a call that
  /// is under way, unless it happens in that call.
  class Alarm {
  public:
    Alarm(Clock::time_point when, std::function<void()> call) : call_(std::move(call)) { instance().add(*this, when); }
    Alarm(const Alarm &) = delete;
    Alarm &operator=(const Alarm &) = delete;
    ~Alarm() { instance().remove(*this); }

    /// Whether the time has come.
    [[nodiscard]] bool rang() const { return instance().rang(*this); }

  private:
    friend class Timer;

    std::function<void()> call_;
    std::multimap<Clock::time_point, Alarm *>::iterator place_;
    bool rang_ = false;
  };

  /// So long from now; at most a century, which no clock overflows by.
  template <typename Rep, typename Period> static Clock::time_point after(std::chrono::duration<Rep, Period> time) {
    constexpr std::chrono::hours century(24 * 365 * 100);
    const std::chrono::duration<double> seconds = time; // Compared as a type that holds every duration.
    if (seconds > century) {
      return Clock::now() + century;
    }
    return seconds.count() > 0 ? Clock::now() + std::chrono::ceil<Clock::duration>(time) : Clock::now();
  }

private:
  static Timer &instance() {
    static Timer timer;
    return timer;
  }

  Timer() = default;
  ~Timer() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  void add(Alarm &alarm, Clock::time_point when) {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable()) {
      thread_ = std::thread([this] { run(); });
    }
    alarm.place_ = alarms_.emplace(when, &alarm);
    changed_.notify_all();
  }

  void remove(Alarm &alarm) {
    std::unique_lock lock(mutex_);
    if (!alarm.rang_) {
      alarms_.erase(alarm.place_);
    } else if (std::this_thread::get_id() != thread_.get_id()) {
      changed_.wait(lock, [&] { return ringing_ != &alarm; });
    }
  }

  bool rang(const Alarm &alarm) {
    const std::lock_guard lock(mutex_);
    return alarm.rang_;
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (!ends_) {
      if (alarms_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto [when, alarm] = *alarms_.begin(); // A copy: meanwhile the alarm may be removed.
      if (Clock::now() < when) {
        changed_.wait_until(lock, when);
      } else {
        ring(lock, *alarm);
      }
    }
  }

  void ring(std::unique_lock<std::mutex> &lock, Alarm &alarm) {
    alarms_.erase(alarm.place_);
    alarm.rang_ = true;
    ringing_ = &alarm;
    lock.unlock();
    const std::function<void()> call = std::move(alarm.call_); // The call may destroy the alarm.
    call();
    lock.lock();
    ringing_ = nullptr;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Clock::time_point, Alarm *> alarms_;
  const Alarm *ringing_ = nullptr;
  bool ends_ = false;
  std::thread thread_;
};

} // namespace aura::detail

#endif
