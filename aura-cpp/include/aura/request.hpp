// aura::Request: the name of an operation.
#ifndef AURA_REQUEST_HPP
#define AURA_REQUEST_HPP

#include <aura/detail/config.hpp>

namespace aura {

/// Names an operation that was submitted. A plain value without ownership: it may be copied, kept for ever
/// and asked from any thread. Once the callback has begun it counts as completed.
class Request {
public:
  explicit Request(aura_request_t *handle) noexcept : handle_(handle) {}

  /// Whether it is in flight: its callback has not begun.
  [[nodiscard]] bool pending() const noexcept { return aura_request_pending(handle_); }
  /// Its descriptor; -1 when its callback has returned.
  [[nodiscard]] int fd() const noexcept { return aura_request_fd(handle_); }
  /// AURA_OP_*; -1 when its callback has returned.
  [[nodiscard]] int op_type() const noexcept { return aura_request_op_type(handle_); }

  [[nodiscard]] aura_request_t *handle() noexcept { return handle_; }
  [[nodiscard]] const aura_request_t *handle() const noexcept { return handle_; }
  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }

private:
  aura_request_t *handle_;
};

} // namespace aura

#endif
