// What an Engine consists of, at an address that stays when the Engine is moved.
#ifndef AURA_DETAIL_CORE_HPP
#define AURA_DETAIL_CORE_HPP

#include <aura/detail/node.hpp>
#include <aura/detail/pool.hpp>
#include <aura/detail/queue.hpp>

#include <utility>

namespace aura::detail {

class Core {
public:
  Core(aura_engine_t *engine, PoolShare pool) noexcept : queue(engine), pool_(std::move(pool)) {}
  Core(const Core &) = delete;
  Core &operator=(const Core &) = delete;

  [[nodiscard]] aura_engine_t *engine() const noexcept { return queue.engine(); }
  [[nodiscard]] const PoolShare &pool() const noexcept { return pool_; }

  CallbackNodes nodes;
  WaitQueue queue;

private:
  PoolShare pool_;
};

} // namespace aura::detail

#endif
