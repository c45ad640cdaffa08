// What all coroutines of this layer have in common: the stop token that their operations heed.
#ifndef AURA_DETAIL_PROMISE_HPP
#define AURA_DETAIL_PROMISE_HPP

#include <aura/detail/config.hpp>

#include <concepts>
#include <stop_token>

namespace aura::detail {

/// Base of promises. A coroutine hands its token down to whatever it awaits; combinators set it.
class Promise {
public:
  /// Null, or a token that outlives the coroutine.
  [[nodiscard]] const std::stop_token *stop() const noexcept { return stop_; }
  void set_stop(const std::stop_token *stop) noexcept { stop_ = stop; }

private:
  const std::stop_token *stop_ = nullptr;
};

/// The token that a coroutine hands down; null for coroutines of somebody else's.
template <typename P> const std::stop_token *stop_of(const P &promise) noexcept {
  if constexpr (std::derived_from<P, Promise>) {
    return promise.stop();
  } else {
    static_cast<void>(promise);
    return nullptr;
  }
}

} // namespace aura::detail

#endif
