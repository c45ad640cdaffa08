// Memory for I/O: BufferRef names some, Buffer owns some of the engine's pool.
#ifndef AURA_BUFFER_HPP
#define AURA_BUFFER_HPP

#include <aura/detail/pool.hpp>
#include <aura/error.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace aura {

/// Names the memory of an operation: an address, or a place in a registered buffer. Owns nothing: the memory
/// stays valid and in place until the operation is over.
class BufferRef {
public:
  /// Memory that may be read into and written from.
  BufferRef(void *ptr) noexcept : place_(reinterpret_cast<std::uintptr_t>(ptr)) {}
  /// No memory, which every operation refuses with EINVAL. (A template, so that NULL still is a pointer.)
  template <std::same_as<std::nullptr_t> N> BufferRef(N) noexcept {}
  /// Memory to be written from, and only that. Explicit, so that nobody reads into it by accident.
  explicit BufferRef(const void *ptr) noexcept : place_(reinterpret_cast<std::uintptr_t>(ptr)) {}
  /// A place offset bytes into a buffer that was given to Engine::register_buffers().
  [[nodiscard]] static BufferRef fixed(int index, std::size_t offset = 0) noexcept {
    BufferRef registered(nullptr);
    registered.type_ = AURA_BUF_REGISTERED;
    registered.index_ = index;
    registered.place_ = offset;
    return registered;
  }

  [[nodiscard]] bool is_registered() const noexcept { return type_ == AURA_BUF_REGISTERED; }
  [[nodiscard]] aura_buf_t c_buf() const noexcept {
    return is_registered() ? aura_buf_fixed(index_, place_) : aura_buf(reinterpret_cast<void *>(place_));
  }

private:
  // Numbers, and not an aura_buf_t: compilers copy its union through memory, in pieces of another size than it was
  // written in, which takes longer than all the rest.
  aura_buf_type_t type_ = AURA_BUF_UNREGISTERED;
  int index_ = 0;
  /// The address, or the offset in the registered buffer.
  std::uintptr_t place_ = 0;
};

/// Memory at an address.
[[nodiscard]] inline BufferRef buf(void *ptr) noexcept { return BufferRef(ptr); }
/// A place in a registered buffer.
[[nodiscard]] inline BufferRef buf_fixed(int index, std::size_t offset = 0) noexcept {
  return BufferRef::fixed(index, offset);
}

/// A buffer from an engine's pool, aligned for direct I/O; goes back when destroyed, on whatever thread. It may
/// outlive its engine: the memory stays valid.
class Buffer {
public:
  /// What release() hands out: `aura_buffer_free(engine, data)` frees it, as long as the engine exists.
  struct ReleasedBuffer {
    void *data;
    std::size_t size;
    aura_engine_t *engine;
  };

  /// No buffer.
  Buffer() noexcept = default;
  Buffer(Buffer &&other) noexcept
      : pool_(std::move(other.pool_)), engine_(std::exchange(other.engine_, nullptr)),
        ptr_(std::exchange(other.ptr_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer &operator=(Buffer &&other) noexcept {
    if (this != &other) {
      give_back();
      pool_ = std::move(other.pool_);
      engine_ = std::exchange(other.engine_, nullptr);
      ptr_ = std::exchange(other.ptr_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer() { give_back(); }

  /// Memory of somebody else's as a Buffer, which does not free it.
  [[nodiscard]] static Buffer wrap(void *ptr, std::size_t size) noexcept {
    Buffer buffer;
    buffer.ptr_ = ptr;
    buffer.size_ = size;
    return buffer;
  }

  [[nodiscard]] void *data() noexcept { return ptr_; }
  [[nodiscard]] const void *data() const noexcept { return ptr_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The bytes. Throws Error(EINVAL) if there is no buffer, as the following do.
  [[nodiscard]] std::span<std::byte> span() { return as<std::byte>(); }
  [[nodiscard]] std::span<const std::byte> span() const { return as<std::byte>(); }

  /// The bytes as values, as many as fit. Throws Error(EINVAL) also if they are not aligned for T.
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] std::span<T> as() {
    demand(alignof(T));
    return {static_cast<T *>(ptr_), size_ / sizeof(T)};
  }
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] std::span<const T> as() const {
    demand(alignof(T));
    return {static_cast<const T *>(ptr_), size_ / sizeof(T)};
  }

  [[nodiscard]] BufferRef ref() noexcept { return BufferRef(ptr_); }
  /// To be written from.
  [[nodiscard]] BufferRef ref() const noexcept { return BufferRef(static_cast<const void *>(ptr_)); }
  operator BufferRef() noexcept { return ref(); }
  /// A constant buffer must not be read into: say ref() for writing from it.
  operator BufferRef() const = delete;

  [[nodiscard]] explicit operator bool() const noexcept { return ptr_ != nullptr; }
  /// Whether it will be freed on destruction.
  [[nodiscard]] bool owned() const noexcept { return static_cast<bool>(pool_); }

  /// Parts with the buffer, which has to be freed by hand then. Of a wrapped one, engine is null.
  [[nodiscard]] ReleasedBuffer release() noexcept {
    pool_ = {};
    return {std::exchange(ptr_, nullptr), std::exchange(size_, 0), std::exchange(engine_, nullptr)};
  }

private:
  friend class Engine;

  Buffer(detail::PoolShare pool, aura_engine_t *engine, void *ptr, std::size_t size) noexcept
      : pool_(std::move(pool)), engine_(engine), ptr_(ptr), size_(size) {}

  void give_back() noexcept {
    if (pool_) {
      pool_.free(ptr_);
    }
  }

  void demand(std::size_t alignment) const {
    if (ptr_ == nullptr) {
      detail::raise<Error>(EINVAL, "Buffer is null");
    }
    if (reinterpret_cast<std::uintptr_t>(ptr_) % alignment != 0) {
      detail::raise<Error>(EINVAL, "Buffer is not aligned for the requested type");
    }
  }

  detail::PoolShare pool_;
  aura_engine_t *engine_ = nullptr;
  void *ptr_ = nullptr;
  std::size_t size_ = 0;
};

} // namespace aura

#endif
