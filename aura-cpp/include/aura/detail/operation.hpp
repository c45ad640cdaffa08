// An awaited operation in flight: a part of the coroutine's frame, so that awaiting allocates nothing.
//
// # Who resumes
//
// A callback runs on whichever thread processes completions, and may do so before the submission has returned. Where
// the submitting thread itself is processing completions of this engine (the usual case: a coroutine that was resumed
// by a completion submits the next operation) nothing can complete before it returns; the state is DIRECT then, and
// whoever completes resumes. Otherwise the state begins as STARTING, and both sides exchange it: the starter puts
// SUSPENDED, the completion DONE. Whoever comes second sees the first and sees to the resumption, so there is one.
//
// A coroutine that is destroyed while it is suspended puts DOOMED: its operation is cancelled and waited for, and its
// completion resumes nobody.
//
// # What is not touched
//
// The usual case is a matter of nanoseconds, so what only others need (a place in the queue, stop callbacks) is not
// even initialised there. REQUEST says which: once it is set, the operation was submitted, and is in no queue.
#ifndef AURA_DETAIL_OPERATION_HPP
#define AURA_DETAIL_OPERATION_HPP

#include <aura/detail/core.hpp>
#include <aura/detail/later.hpp>

#include <atomic>
#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <stop_token>

#include <sched.h>
#include <sys/types.h>

namespace aura::detail {

class Operation {
public:
  Operation(const Operation &) = delete;
  Operation &operator=(const Operation &) = delete;

protected:
  /// Submits the operation; false with errno. Calls submitted().
  using Submit = bool (*)(Operation &operation) noexcept;
  /// The tokens that it heeds: its own and the coroutine's, which may be null.
  struct Tokens {
    [[nodiscard]] bool can_stop() const noexcept {
      return own.stop_possible() || (inherited != nullptr && inherited->stop_possible());
    }
    [[nodiscard]] bool stop_requested() const noexcept {
      return own.stop_requested() || (inherited != nullptr && inherited->stop_requested());
    }
    const std::stop_token &own;
    const std::stop_token *inherited;
  };

  explicit Operation(Core *core) noexcept : core_(core) {}
  ~Operation() {
    if (state_.load(std::memory_order_relaxed) != State::idle) [[unlikely]] {
      abandon();
    }
  }

  /// Begins the operation; false if it is over already.
  template <Submit submit> [[gnu::always_inline]] bool begin(std::coroutine_handle<> waiting, Tokens tokens) noexcept {
    waiting_ = waiting;
    if (tokens.can_stop()) [[unlikely]] {
      return begin_heeding(tokens, submit);
    }
    if (!nothing_comes_between()) [[unlikely]] {
      return begin_from_outside(tokens, submit);
    }
    state_.store(State::direct, std::memory_order_relaxed);
    return submit(*this) || begin_again(tokens, submit);
  }

  /// The result; from here on the operation counts as never begun.
  [[nodiscard]] ssize_t take_result() noexcept {
    if (is_heeding_) [[unlikely]] {
      is_heeding_ = false;
      stops_.destroy(); // Waits for one that is just being called.
    }
    state_.store(State::idle, std::memory_order_relaxed);
    return result_;
  }

  /// Remembers the operation's name, unless it was refused. Before this, the callback may have run, but not have
  /// resumed the coroutine.
  bool submitted(aura_request_t *request) noexcept {
    request_.store(request, std::memory_order_release);
    return request != nullptr;
  }

  static void completed(aura_request_t *, ssize_t result, void *user_data) noexcept {
    auto &operation = *static_cast<Operation *>(user_data);
    AURA_TAKES_OVER(&operation);
    const Processing here(operation.core_->engine());
    operation.finish(result);
  }

  [[nodiscard]] Core *core() const noexcept { return core_; }

private:
  enum class State : std::uint8_t { idle, direct, starting, suspended, done, doomed };

  /// What a stop token calls.
  struct Stop {
    void operator()() const noexcept { operation->stop(); }
    Operation *operation;
  };
  using StopCallback = std::stop_callback<Stop>;
  struct Stops {
    std::optional<StopCallback> own, inherited;
  };

  bool over(ssize_t result) noexcept {
    result_ = result;
    state_.store(State::idle, std::memory_order_relaxed);
    return false;
  }

  /// Whether nothing completes before a submission has returned, and nobody waits for room.
  [[nodiscard]] bool nothing_comes_between() const noexcept {
    return processing == core_->engine() && !core_->queue.any();
  }

  [[gnu::cold, gnu::noinline]] bool begin_heeding(Tokens tokens, Submit submit) noexcept {
    if (tokens.stop_requested()) {
      return over(-ECANCELED);
    }
    if (!nothing_comes_between()) {
      return begin_from_outside(tokens, submit);
    }
    state_.store(State::direct, std::memory_order_relaxed);
    if (!submit(*this)) {
      return begin_again(tokens, submit);
    }
    heed(tokens);
    return true;
  }

  /// After it was refused, errno says why.
  [[gnu::cold, gnu::noinline]] bool begin_again(Tokens tokens, Submit submit) noexcept {
    return errno == EAGAIN ? begin_from_outside(tokens, submit) : over(-errno);
  }

  /// The completion may come at any time, or there is no room.
  [[gnu::cold, gnu::noinline]] bool begin_from_outside(Tokens tokens, Submit submit) noexcept {
    submit_ = submit;
    Waiter &waiter = waiter_.make(&submit_queued, &refuse, this);
    request_.store(nullptr, std::memory_order_relaxed);
    state_.store(State::starting, std::memory_order_release);
    bool waits = core_->queue.any();
    int err = 0;
    if (!waits && !submit(*this)) {
      err = errno;
      waits = err == EAGAIN;
    }
    if (waits) {
      err = core_->queue.enter(waiter);
    }
    if (err != 0) {
      return over(-err);
    }
    heed(tokens);
    return state_.exchange(State::suspended, std::memory_order_acq_rel) == State::starting;
  }

  /// Has it cancelled when a token says so, unless none ever can.
  void heed(Tokens tokens) noexcept {
    if (!tokens.can_stop()) {
      return;
    }
    is_heeding_ = true;
    Stops &stops = stops_.make();
    if (tokens.own.stop_possible()) {
      stops.own.emplace(tokens.own, Stop{this});
    }
    if (tokens.inherited != nullptr && tokens.inherited->stop_possible()) {
      stops.inherited.emplace(*tokens.inherited, Stop{this});
    }
  }

  /// Cancels, on whatever thread. The coroutine is not resumed before this has returned: its stop callback is waited
  /// for.
  void stop() noexcept {
    if (request_.load(std::memory_order_acquire) == nullptr && core_->queue.stop(*waiter_)) {
      return;
    }
    cancel();
  }

  void cancel() noexcept {
    aura_request_t *request = request_.load(std::memory_order_acquire);
    // A full queue has room when it was handed over. All other failures mean that it is over.
    for (int attempt = 0; aura_cancel(core_->engine(), request) != 0 && errno == EBUSY && attempt < 1000; attempt++) {
      aura_flush(core_->engine());
      sched_yield();
    }
  }

  void finish(ssize_t result) noexcept {
    result_ = result;
    if (state_.load(std::memory_order_acquire) == State::direct ||
        state_.exchange(State::done, std::memory_order_acq_rel) == State::suspended) {
      waiting_.resume();
    }
  }

  static bool submit_queued(void *self) noexcept {
    auto &operation = *static_cast<Operation *>(self);
    return operation.submit_(operation);
  }
  static void refuse(void *self, int err) noexcept { static_cast<Operation *>(self)->finish(-err); }

  /// The coroutine is being destroyed while it waits for this.
  [[gnu::cold, gnu::noinline]] void abandon() noexcept {
    if (is_heeding_) {
      stops_.destroy();
    }
    if (request_.load(std::memory_order_acquire) == nullptr && core_->queue.leave(*waiter_)) {
      return;
    }
    switch (state_.exchange(State::doomed, std::memory_order_acq_rel)) {
    case State::direct:
    case State::suspended:
      break;
    default:
      give_up("a coroutine was destroyed on one thread while another was resuming it");
    }
    cancel();
    while (state_.load(std::memory_order_acquire) != State::done) {
      if (aura_wait(core_->engine(), 10) < 0 && errno != ETIMEDOUT) {
        give_up("a coroutine was destroyed while its operation is in flight, and there is no way to wait for it: "
                "in a callback, or after its engine");
      }
    }
  }

  Core *core_;
  std::coroutine_handle<> waiting_;
  ssize_t result_ = -EINVAL;
  std::atomic<State> state_{State::idle};
  bool is_heeding_ = false;
  /// Null until it was submitted. Valid once begun.
  std::atomic<aura_request_t *> request_;
  /// Made when it begins from outside.
  Submit submit_;
  Later<Waiter> waiter_;
  /// Made while `is_heeding_`.
  Later<Stops> stops_;
};

} // namespace aura::detail

#endif
