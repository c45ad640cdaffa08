// Operations with a callback: from a callable of any type to a function and a pointer.
#ifndef AURA_DETAIL_CALLBACK_HPP
#define AURA_DETAIL_CALLBACK_HPP

#include <aura/detail/core.hpp>
#include <aura/op.hpp>
#include <aura/request.hpp>

#include <cerrno>
#include <concepts>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>

namespace aura {

/// What an operation can call when it is over.
template <typename F>
concept Callback = std::invocable<F, Request &, ssize_t>;

namespace detail {

/// A callable in a node, or beside it if it is large.
template <typename F> class Callable {
public:
  static constexpr bool is_inline = sizeof(F) <= CallbackNode::inline_bytes && alignof(F) <= alignof(std::max_align_t);

  template <typename G> static void put(CallbackNode &node, G &&callable) {
    if constexpr (is_inline) {
      ::new (static_cast<void *>(node.storage)) F(std::forward<G>(callable));
    } else {
      ::new (static_cast<void *>(node.storage)) F *(new F(std::forward<G>(callable)));
    }
  }

  static F &in(CallbackNode &node) noexcept {
    if constexpr (is_inline) {
      return *std::launder(reinterpret_cast<F *>(node.storage));
    } else {
      return **std::launder(reinterpret_cast<F **>(node.storage));
    }
  }

  static void destroy(CallbackNode &node) noexcept {
    if constexpr (is_inline) {
      std::destroy_at(&in(node));
    } else {
      delete &in(node);
    }
  }

  /// What the C interface calls. An exception ends the program here.
  static void call(aura_request_t *handle, ssize_t result, void *user_data) noexcept {
    auto &node = *static_cast<CallbackNode *>(user_data);
    AURA_TAKES_OVER(&node);
    Core &core = *node.core;
    const Processing here(core.engine());
    Request request(handle);
    if constexpr (std::invocable<F &, Request &, ssize_t>) {
      std::invoke(in(node), request, result);
    } else {
      std::invoke(std::move(in(node)), request, result);
    }
    destroy(node);
    core.nodes.give_back(&node);
  }
};

/// Submits an operation with a callable. Null with errno if that is refused; the callable is gone then.
template <typename Op, typename F>
aura_request_t *submit_callback(Core &core, const Op &op, std::uint32_t flags, F &&callable) {
  using Stored = Callable<std::decay_t<F>>;
  CallbackNode *node = core.nodes.take();
  if (node == nullptr) {
    errno = ENOMEM;
    return nullptr;
  }
  bool is_put = false;
  {
    const Defer undo([&] {
      if (!is_put) {
        core.nodes.give_back(node); // Copying the callable threw.
      }
    });
    Stored::put(*node, std::forward<F>(callable));
    is_put = true;
  }
  node->core = &core;
  AURA_HANDS_OVER(node);
  aura_request_t *request = submit(op, core.engine(), flags, &Stored::call, node);
  if (request == nullptr) {
    const int err = errno;
    Stored::destroy(*node);
    core.nodes.give_back(node);
    errno = err;
  }
  return request;
}

} // namespace detail
} // namespace aura

#endif
