// Memory of coroutine frames, from operator new or from an allocator that the coroutine was given.
#ifndef AURA_DETAIL_FRAME_HPP
#define AURA_DETAIL_FRAME_HPP

#include <aura/detail/config.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

namespace aura::detail {

/// Base of promises. Behind the frame comes the function that frees it, and behind that the allocator.
class FrameMemory {
public:
  static void *operator new(std::size_t bytes) {
    void *frame = ::operator new(with_footer(bytes));
    set_freeing(frame, bytes, [](void *memory, std::size_t) noexcept { ::operator delete(memory); });
    return frame;
  }

  template <typename Allocator, typename... Arguments>
  static void *operator new(std::size_t bytes, std::allocator_arg_t, const Allocator &allocator, const Arguments &...) {
    return allocate(bytes, allocator);
  }
  /// A member function or a lambda, whose own object comes first.
  template <typename Object, typename Allocator, typename... Arguments>
  static void *operator new(std::size_t bytes, const Object &, std::allocator_arg_t, const Allocator &allocator,
                            const Arguments &...) {
    return allocate(bytes, allocator);
  }

  static void operator delete(void *frame, std::size_t bytes) noexcept {
    Freeing freeing;
    std::memcpy(&freeing, footer(frame, bytes), sizeof freeing);
    freeing(frame, bytes);
  }

private:
  using Freeing = void (*)(void *frame, std::size_t bytes) noexcept;
  /// Frames and allocators begin where any type may.
  struct alignas(__STDCPP_DEFAULT_NEW_ALIGNMENT__) Unit {
    unsigned char bytes[__STDCPP_DEFAULT_NEW_ALIGNMENT__];
  };

  static constexpr std::size_t rounded(std::size_t bytes) noexcept {
    return (bytes + sizeof(Unit) - 1) / sizeof(Unit) * sizeof(Unit);
  }
  static constexpr std::size_t with_footer(std::size_t bytes) noexcept { return rounded(bytes) + sizeof(Unit); }
  static void *footer(void *frame, std::size_t bytes) noexcept {
    return static_cast<unsigned char *>(frame) + rounded(bytes);
  }
  static void set_freeing(void *frame, std::size_t bytes, Freeing freeing) noexcept {
    std::memcpy(footer(frame, bytes), &freeing, sizeof freeing);
  }

  template <typename Allocator> static void *allocate(std::size_t bytes, const Allocator &allocator) {
    using Units = typename std::allocator_traits<Allocator>::template rebind_alloc<Unit>;
    using Traits = std::allocator_traits<Units>;
    static_assert(std::is_pointer_v<typename Traits::pointer>, "the allocator has to give plain pointers");
    static_assert(alignof(Units) <= alignof(Unit));
    static constexpr auto place = [](void *frame, std::size_t size) noexcept {
      return reinterpret_cast<Units *>(static_cast<unsigned char *>(frame) + with_footer(size));
    };
    static constexpr auto units = [](std::size_t size) noexcept {
      return (with_footer(size) + rounded(sizeof(Units))) / sizeof(Unit);
    };
    Units source(allocator);
    void *frame = Traits::allocate(source, units(bytes));
    ::new (static_cast<void *>(place(frame, bytes))) Units(std::move(source));
    set_freeing(frame, bytes, [](void *memory, std::size_t size) noexcept {
      Units *kept = place(memory, size);
      Units freeing(std::move(*kept));
      std::destroy_at(kept);
      Traits::deallocate(freeing, static_cast<Unit *>(memory), units(size));
    });
    return frame;
  }
};

} // namespace aura::detail

#endif
