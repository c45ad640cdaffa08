// A share of an engine's buffer pool, counted: the engine and each of its buffers have it.
#ifndef AURA_DETAIL_POOL_HPP
#define AURA_DETAIL_POOL_HPP

#include <aura/detail/config.hpp>

#include <atomic>
#include <cstddef>
#include <utility>

namespace aura::detail {

/// Keeps the pool's memory, so that buffers may outlive their engine.
class PoolShare {
public:
  PoolShare() noexcept = default;
  /// Takes over a share of the C interface.
  explicit PoolShare(aura_pool_t *pool) : block_(new Block{pool, {1}}) {}
  PoolShare(const PoolShare &other) noexcept : block_(other.block_) {
    if (block_ != nullptr) {
      block_->users.fetch_add(1, std::memory_order_relaxed);
    }
  }
  PoolShare(PoolShare &&other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  PoolShare &operator=(PoolShare other) noexcept { return std::swap(block_, other.block_), *this; }
  ~PoolShare() {
    // The last user sees what the others did with the memory.
    if (block_ != nullptr && block_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      aura_pool_release(block_->pool);
      delete block_;
    }
  }

  [[nodiscard]] explicit operator bool() const noexcept { return block_ != nullptr; }
  void free(void *buffer) const noexcept { aura_pool_free(block_->pool, buffer); }

private:
  struct Block {
    aura_pool_t *pool;
    std::atomic<std::size_t> users;
  };

  Block *block_ = nullptr;
};

} // namespace aura::detail

#endif
