// Awaitables: an operation that a coroutine can wait for.
//
// An awaitable is a movable description. Awaiting it makes the operation itself, which cannot be moved, as a part of
// the coroutine's frame. That is also the shape in which libraries of senders expect it.
#ifndef AURA_AWAITABLE_HPP
#define AURA_AWAITABLE_HPP

#include <aura/detail/operation.hpp>
#include <aura/detail/promise.hpp>
#include <aura/op.hpp>
#include <aura/result.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <stop_token>
#include <utility>

namespace aura {

class Engine;

/// What may be said about an awaited operation beyond its own arguments: a stop token, flags (AURA_FIXED_FILE), or
/// both: `co_await engine.async_read(index, buffer, 4096, 0, {token, AURA_FIXED_FILE})`.
struct With {
  With() noexcept = default;
  With(std::stop_token token) noexcept : stop(std::move(token)) {}
  With(std::integral auto operation_flags) noexcept : flags(static_cast<std::uint32_t>(operation_flags)) {}
  With(std::stop_token token, std::uint32_t operation_flags) noexcept : stop(std::move(token)), flags(operation_flags) {}

  std::stop_token stop;
  std::uint32_t flags = 0;
};

/// How an awaited operation reports failure.
enum class Failing {
  /// By throwing Error.
  Throws,
  /// As an aura::result.
  Returns,
};

namespace detail {

/// What an operation does; in the awaitable, which lives as long as the expression.
template <typename Op> struct What {
  const Op &op_;
  const With &with_;
};

/// The operation while it is awaited. (What it does comes first: it is on one cache line with what changes then.)
template <typename Op, Failing failing> class [[nodiscard]] Awaiter final : private What<Op>, private Operation {
public:
  using value_type = typename Op::value_type;

  Awaiter(Core *core, const Op &op, const With &with) noexcept : What<Op>{op, with}, Operation(core) {}

  /// Without an engine it is over before it begins: EINVAL.
  [[nodiscard]] bool await_ready() const noexcept { return core() == nullptr; }

  /// Never inlined: compilers have used the frame after this had handed it to another thread.
  template <typename P> [[gnu::noinline]] bool await_suspend(std::coroutine_handle<P> waiting) noexcept {
    const std::stop_token *inherited = nullptr;
    if constexpr (!std::is_void_v<P>) {
      inherited = stop_of(waiting.promise());
    }
    return Operation::begin<&Awaiter::begin>(waiting, {this->with_.stop, inherited});
  }

  auto await_resume() {
    const ssize_t result = take_result();
    if constexpr (failing == Failing::Returns) {
      return outcome(result);
    } else {
      if (result < 0) [[unlikely]] {
        fail(result);
      }
      return static_cast<value_type>(result);
    }
  }

private:
  [[gnu::always_inline]] static bool begin(Operation &self) noexcept {
    AURA_HANDS_OVER(&self);
    auto &awaiter = static_cast<Awaiter &>(self);
    return awaiter.submitted(submit(awaiter.op_, awaiter.core()->engine(), awaiter.with_.flags, &completed, &self));
  }

  [[nodiscard]] aura::result<value_type> outcome(ssize_t result) const {
    if (result < 0) {
      return failure(static_cast<int>(-result), this->op_.name());
    }
    if constexpr (std::is_void_v<value_type>) {
      return {};
    } else {
      return static_cast<value_type>(result);
    }
  }

  [[noreturn, gnu::cold, gnu::noinline]] void fail(ssize_t result) const {
    raise<Error>(static_cast<int>(-result), this->op_.name());
  }
};

} // namespace detail

/// An operation to be awaited. It begins when it is awaited, and not before; at the limit it waits for its turn.
/// With Failing::Throws the result of co_await is a value, and failure is thrown as Error; with Failing::Returns the
/// result is an aura::result. It stays where it is while it is awaited, which `co_await` of a value sees to.
template <typename Op, Failing failing = Failing::Throws>
class [[nodiscard("an operation begins when it is awaited")]] Awaitable {
public:
  using value_type = typename Op::value_type;

  auto operator co_await() const noexcept { return detail::Awaiter<Op, failing>(core_, op_, with_); }

private:
  friend class Engine;

  Awaitable(detail::Core *core, const Op &op, With &&with) noexcept : core_(core), op_(op), with_(std::move(with)) {}

  detail::Core *core_;
  Op op_;
  With with_;
};

/// Reads and writes: `ssize_t`, the bytes.
using IoAwaitable = Awaitable<op::Io>;
/// Reads into and writes from several buffers: `ssize_t`, the bytes.
using VectoredAwaitable = Awaitable<op::Vectored>;
/// fsync and fdatasync: `void`.
using FsyncAwaitable = Awaitable<op::Sync>;
/// openat: `int`, the descriptor.
using OpenatAwaitable = Awaitable<op::Openat>;
/// statx: `void`.
using StatxAwaitable = Awaitable<op::Statx>;
/// close, fallocate, ftruncate and sync_file_range: `void`.
using MetadataAwaitable = Awaitable<op::Metadata>;

/// The same operations, answering with an aura::result.
template <typename Op> using TryAwaitable = Awaitable<Op, Failing::Returns>;

} // namespace aura

#endif
