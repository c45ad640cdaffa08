// aura::when_all and aura::when_any: tasks at the same time.
#ifndef AURA_WHEN_HPP
#define AURA_WHEN_HPP

#include <aura/detail/detached.hpp>
#include <aura/task.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace aura {
namespace detail {

/// Starts tasks and waits for all of them; knows which was the first.
class Gathering final : public Joint {
public:
  /// With a source: it is stopped when the first task has ended.
  explicit Gathering(std::stop_source *losers = nullptr) noexcept : losers_(losers) {}

  /// The task that was the first to end.
  [[nodiscard]] std::size_t first() const noexcept { return first_.load(std::memory_order_relaxed); }

  /// Has the coroutine resumed when `count` tasks have ended, which `start` starts; false if they have already.
  template <typename Start> bool begin(std::coroutine_handle<> waiting, std::size_t count, Start start) {
    waiting_ = waiting;
    running_.store(count + 1, std::memory_order_relaxed); // One for this function.
    start(*this);
    return running_.fetch_sub(1, std::memory_order_acq_rel) != 1;
  }

  std::coroutine_handle<> finished(std::size_t index) noexcept override {
    std::size_t nobody = none;
    if (first_.compare_exchange_strong(nobody, index, std::memory_order_relaxed) && losers_ != nullptr) {
      losers_->request_stop();
    }
    return running_.fetch_sub(1, std::memory_order_acq_rel) == 1 ? waiting_ : std::noop_coroutine();
  }

private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  std::coroutine_handle<> waiting_;
  std::stop_source *losers_;
  std::atomic<std::size_t> running_{0};
  std::atomic<std::size_t> first_{none};
};

/// Awaits a gathering. `start(gathering, stop)` starts the tasks.
template <typename Start> struct Gather {
  bool await_ready() const noexcept { return count == 0; }
  template <typename P> [[gnu::noinline]] bool await_suspend(std::coroutine_handle<P> waiting) {
    const std::stop_token *stop = stop_of(waiting.promise());
    return gathering.begin(waiting, count, [&](Gathering &joint) { start(joint, stop); });
  }
  void await_resume() const noexcept {}

  Gathering &gathering;
  std::size_t count;
  Start start;
};
template <typename Start> Gather(Gathering &, std::size_t, Start) -> Gather<Start>;

/// Starts each of several tasks.
template <typename... Ts> auto starting(std::tuple<Task<Ts>...> &tasks) {
  return [&tasks](Gathering &joint, const std::stop_token *stop) {
    std::apply([&](auto &...task) { std::size_t index = 0; (TaskAccess::start(task, joint, index++, stop), ...); }, tasks);
  };
}
template <typename T> auto starting(std::vector<Task<T>> &tasks) {
  return [&tasks](Gathering &joint, const std::stop_token *stop) {
    for (std::size_t index = 0; index < tasks.size(); index++) {
      TaskAccess::start(tasks[index], joint, index, stop);
    }
  };
}

/// The result of a task as a value: std::monostate for none.
template <typename T> using present_t = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
template <typename T> present_t<T> present(Task<T> &task) {
  if constexpr (std::is_void_v<T>) {
    task.get();
    return {};
  } else {
    return task.get();
  }
}

/// A source that stops when the awaiting task is to stop, too.
class LinkedSource {
public:
  explicit LinkedSource(std::stop_token outer) : link_(std::move(outer), Forward{&source_}) {}

  [[nodiscard]] std::stop_source &source() noexcept { return source_; }
  [[nodiscard]] const std::stop_token &token() const noexcept { return token_; }

private:
  struct Forward {
    void operator()() noexcept {
      std::stop_source kept = *source; // A coroutine that is resumed in here may end this.
      kept.request_stop();
    }
    std::stop_source *source;
  };

  std::stop_source source_;
  std::stop_token token_ = source_.get_token();
  std::stop_callback<Forward> link_;
};

} // namespace detail

/// Runs tasks at the same time until all have ended. Gives their results as a tuple (std::monostate for void); if some
/// threw, throws what the first in the list of them did.
template <typename... Ts> Task<std::tuple<detail::present_t<Ts>...>> when_all(Task<Ts>... tasks) {
  std::tuple<Task<Ts>...> all(std::move(tasks)...);
  std::apply([](auto &...task) { (detail::TaskAccess::demand_fresh(task), ...); }, all);
  detail::Gathering gathering;
  auto start = detail::starting(all);
  co_await detail::Gather{gathering, sizeof...(Ts), start};
  co_return std::apply([](auto &...task) { return std::tuple<detail::present_t<Ts>...>{detail::present(task)...}; }, all);
}

/// The same for any number of tasks of one type: a vector of results.
template <typename T>
  requires(!std::is_void_v<T>)
Task<std::vector<T>> when_all(std::vector<Task<T>> tasks) {
  for (auto &task : tasks) {
    detail::TaskAccess::demand_fresh(task);
  }
  detail::Gathering gathering;
  auto start = detail::starting(tasks);
  co_await detail::Gather{gathering, tasks.size(), start};
  std::vector<T> results;
  results.reserve(tasks.size());
  for (auto &task : tasks) {
    results.push_back(task.get());
  }
  co_return results;
}
/// The same for tasks without results.
inline Task<void> when_all(std::vector<Task<void>> tasks) {
  for (auto &task : tasks) {
    detail::TaskAccess::demand_fresh(task);
  }
  detail::Gathering gathering;
  auto start = detail::starting(tasks);
  co_await detail::Gather{gathering, tasks.size(), start};
  for (auto &task : tasks) {
    task.get();
  }
}

/// What when_any gives: which task was the first, and its result.
template <typename T> struct any_result {
  std::size_t index;
  T value;
};

/// Runs tasks at the same time. When one has ended, the others are stopped (their operations are cancelled) and
/// waited for; their results and failures are dropped. Gives the index of the first and its result, as a variant with
/// an alternative per task; or throws what the first threw.
template <typename... Ts>
  requires(sizeof...(Ts) > 0)
Task<any_result<std::variant<detail::present_t<Ts>...>>> when_any(Task<Ts>... tasks) {
  using Value = std::variant<detail::present_t<Ts>...>;
  std::tuple<Task<Ts>...> all(std::move(tasks)...);
  std::apply([](auto &...task) { (detail::TaskAccess::demand_fresh(task), ...); }, all);
  detail::LinkedSource losers(co_await current_stop_token());
  co_await detail::UseStop{&losers.token()};
  detail::Gathering gathering(&losers.source());
  auto start = detail::starting(all);
  co_await detail::Gather{gathering, sizeof...(Ts), start};
  std::optional<Value> value;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((I == gathering.first() ? static_cast<void>(value.emplace(std::in_place_index<I>, detail::present(std::get<I>(all)))) : void()), ...);
  }(std::index_sequence_for<Ts...>());
  co_return any_result<Value>{gathering.first(), *std::move(value)};
}

/// The same for any number of tasks of one type, at least one (std::invalid_argument).
template <typename T> Task<any_result<detail::present_t<T>>> when_any(std::vector<Task<T>> tasks) {
  if (tasks.empty()) {
    detail::raise<std::invalid_argument>("aura::when_any: there are no tasks");
  }
  for (auto &task : tasks) {
    detail::TaskAccess::demand_fresh(task);
  }
  detail::LinkedSource losers(co_await current_stop_token());
  co_await detail::UseStop{&losers.token()};
  detail::Gathering gathering(&losers.source());
  auto start = detail::starting(tasks);
  co_await detail::Gather{gathering, tasks.size(), start};
  const std::size_t first = gathering.first();
  co_return any_result<detail::present_t<T>>{first, detail::present(tasks[first])};
}

/// An awaitable as a task, for what takes tasks: `when_any(as_task(engine.async_read(...)), ...)`.
template <typename A> Task<std::remove_cvref_t<detail::awaited_t<A>>> as_task(A awaitable) {
  co_return co_await std::move(awaitable);
}

} // namespace aura

#endif
