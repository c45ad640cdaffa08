// Where callbacks live while their operation is in flight.
//
// A node holds a callable of up to 48 bytes; a larger one is allocated. Nodes come from a free list and go back to
// it, and their memory stays until the engine is gone, so that no callback costs an allocation of its own.
#ifndef AURA_DETAIL_NODE_HPP
#define AURA_DETAIL_NODE_HPP

#include <aura/detail/config.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <thread>

namespace aura::detail {

class Core;

/// Room for one callable.
struct CallbackNode {
  static constexpr std::size_t inline_bytes = 48;

  Core *core;
  CallbackNode *next;
  alignas(std::max_align_t) unsigned char storage[inline_bytes];
};

/// The free nodes of an engine. Any thread takes and gives back.
class CallbackNodes {
public:
  CallbackNodes() noexcept = default;
  CallbackNodes(const CallbackNodes &) = delete;
  CallbackNodes &operator=(const CallbackNodes &) = delete;
  ~CallbackNodes() {
    while (blocks_ != nullptr) {
      std::free(std::exchange(blocks_, blocks_->next));
    }
  }

  /// A node; null if there is no memory.
  [[nodiscard]] CallbackNode *take() noexcept {
    const Held held(lock_);
    if (free_ == nullptr && !grow()) {
      return nullptr;
    }
    return std::exchange(free_, free_->next);
  }

  void give_back(CallbackNode *node) noexcept {
    const Held held(lock_);
    node->next = std::exchange(free_, node);
  }

private:
  static constexpr std::size_t nodes_per_block = 128;

  struct Block {
    Block *next;
    CallbackNode nodes[nodes_per_block];
  };

  /// A lock for the few instructions that move a node. Whoever is not let in at once gives way to the one inside.
  class Held {
  public:
    explicit Held(std::atomic_flag &lock) noexcept : lock_(lock) {
      while (lock_.test_and_set(std::memory_order_acquire)) {
        std::this_thread::yield();
      }
    }
    Held(const Held &) = delete;
    Held &operator=(const Held &) = delete;
    ~Held() { lock_.clear(std::memory_order_release); }

  private:
    std::atomic_flag &lock_;
  };

  bool grow() noexcept {
    void *memory = std::malloc(sizeof(Block));
    if (memory == nullptr) {
      return false;
    }
    auto *block = new (memory) Block;
    block->next = std::exchange(blocks_, block);
    for (CallbackNode &node : block->nodes) {
      node.next = std::exchange(free_, &node);
    }
    return true;
  }

  std::atomic_flag lock_;
  CallbackNode *free_ = nullptr;
  Block *blocks_ = nullptr;
};

} // namespace aura::detail

#endif
